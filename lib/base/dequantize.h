// SPDX-License-Identifier: Apache-2.0
// From stored elements to floats: one codec for each dtype. Exact by the formats' definitions, so that f32 bits equal
// those of the `gguf` library's dequantize; only the payload of a NaN is not defined.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/simd.h"
#include "openinfer/dtype.h"

namespace openinfer {

/// dst[i] = element i of `count` elements at src, which begin on a block (a whole byte for packed dtypes); a last block
/// that is not full is read but for its rest. Block formats: scales and products are f32 as ggml's are. Ternary: −1,
/// 0, 1. f64, i32, i64, u32 and u64 round to nearest; all other dtypes are exact.
/// Errors: internal if `count` is no whole number of blocks of a block format.
void dequantize(DType dtype, const std::byte* src, float* dst, std::int64_t count);
/// The same in f64: f64, i32 and u32 are exact as well.
void dequantize(DType dtype, const std::byte* src, double* dst, std::int64_t count);

namespace dequantize_detail {
/// The instruction set by hand: for tests that hold all of them to the same bits. `level` must not exceed
/// simd_level().
void dequantize(Simd level, DType dtype, const std::byte* src, float* dst, std::int64_t count);
}  // namespace dequantize_detail

}  // namespace openinfer
