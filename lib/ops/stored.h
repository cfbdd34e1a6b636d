// SPDX-License-Identifier: Apache-2.0
// Reading operands that keep their stored form: bytes as a matrix of stored rows, decoded a few rows at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "openinfer/op_def.h"

namespace openinfer {

/// A stored operand's bytes: all leading stored dimensions, last stored dimension. With `transposed` the last two
/// logical dimensions are swapped in it.
struct StoredMatrix {
  DType dtype = DType::f32;
  std::int64_t rows = 1;
  std::int64_t length = 1;  // elements of a row
  std::int64_t row_bytes = 0;
  explicit StoredMatrix(const TensorView& view);
};

/// Decodes stored rows [first, first + count) of the operand to `to`, `stride` ≥ length elements apart.
template <class T>
void decode_rows(const OpRun& run, std::size_t operand, const StoredMatrix& m, std::int64_t first, std::int64_t count,
                 T* to, std::int64_t stride);

/// That decode_columns asks for at once.
inline constexpr std::int64_t kRowsAtOnce = 16;

/// Decodes elements [begin, end) of `count` stored rows from `first` on, transposed: element (row, e) goes to
/// to[(e − begin) · stride + row − first]. Elements are taken from whole blocks around them.
template <class T>
void decode_columns(const OpRun& run, std::size_t operand, const StoredMatrix& m, std::int64_t first,
                    std::int64_t count, std::int64_t begin, std::int64_t end, T* to, std::int64_t stride);

}  // namespace openinfer
