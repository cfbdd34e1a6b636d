// SPDX-License-Identifier: Apache-2.0
// Rows of activations rounded to bf16, for what multiplies bf16 (numerics bf16 and fast): matrix units, dot products of
// pairs. Rows lie a little farther
// apart than they are wide: where widths are powers of two all rows would meet in the same few sets of a cache. Behind
// the last row there is room for the rest of a tile, whatever lies there: results of those rows are not stored.
#pragma once

#include <cstdint>
#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// The fragments of CPUs' matrix units that templates have a schedule for.
inline constexpr MmaShape kBf16Fragments = {.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32};

inline constexpr std::int64_t kBf16SpareRows = 31;      // a tile less one
inline constexpr std::int64_t kBf16SpareElements = 32;  // of a row: a cache line
inline std::int64_t bf16_stride(std::int64_t width) { return width + kBf16SpareElements; }

/// A kernel of its own: x (rows, width) to bf16 (rows, stride) in the buffer `to`. The width is known.
struct ToBf16 {
  std::string name;      // of the kernel
  std::string of, to;    // of its buffers
  DType x = DType::f32;  // f32, f16 or bf16
  Extent rows, width;
};
TemplateKernel to_bf16(const kir::Target& target, const ToBf16& what);

}  // namespace openinfer::kernels
