// SPDX-License-Identifier: Apache-2.0
// Rows of activations that lie a little farther apart than they are wide: where widths are powers of two all rows would
// meet in the same few sets of a cache. Rounded to bf16, for what multiplies bf16 (numerics bf16 and fast: matrix
// units, dot products of pairs); or in f32, for tiles of many rows (outer_tiles.h).
#pragma once

#include <cstdint>
#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// The fragments of CPUs' matrix units that templates have a schedule for.
inline constexpr MmaShape kBf16Fragments = {.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32};

/// Elements from such a row to the next: a cache line more than they are.
inline std::int64_t bf16_stride(std::int64_t width) { return width + 32; }
inline std::int64_t f32_stride(std::int64_t width) { return width + 16; }

/// Rows behind the last of bf16, a tile less one: whatever lies there, results of those rows are not stored.
inline constexpr std::int64_t kBf16SpareRows = 31;

/// A kernel of its own: x (rows, width) to `as` (rows, stride) in the buffer `to`. The width is known.
struct ApartRows {
  std::string name;       // of the kernel
  std::string of, to;     // of its buffers
  DType x = DType::f32;   // f32, f16 or bf16
  DType as = DType::f32;  // bf16 or f32
  Extent rows, width;
};
TemplateKernel apart_rows(const kir::Target& target, const ApartRows& what);

}  // namespace openinfer::kernels
