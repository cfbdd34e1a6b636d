// SPDX-License-Identifier: Apache-2.0
// Stored matrices of any dtype and what they hold.
#pragma once

#include <cstdint>
#include <vector>

#include "template_run.h"

namespace openinfer::kernels {

/// Block formats with a BlockCode.
std::vector<DType> block_dtypes();
/// Dtypes with a PackedCode.
std::vector<DType> packed_dtypes();

/// The buffer that kernels over codebook formats are bound to besides.
Data codebook_data();

/// (rows, columns) elements, row-major; blocks lie along the rows. Of block formats every byte is random but for the
/// scales, which are numbers near 1/64; of packed ones too, but for exponents of 8-bit floats, which are ordinary.
struct Stored {
  Stored(DType dtype, std::int64_t rows, std::int64_t columns, std::uint32_t seed = 1);
  /// Every byte of quants and of small scales the same, of a block format: 0xff are the largest, or -1; 0x80 is -128.
  void set_bytes(std::uint8_t byte);
  double at(std::int64_t row, std::int64_t column) const { return values[static_cast<std::size_t>(row * n + column)]; }
  /// The largest |element|.
  double largest() const { return largest_; }

  DType dtype;
  std::int64_t n;  // columns
  Data data;
  std::vector<double> values;  // by lib/base/dequantize.h

 private:
  void fill_blocks(std::int64_t rows, std::uint32_t seed);
  void fill_packed(std::uint32_t seed);

  double largest_ = 0;
};

/// The same matrix in panel16.
Data panels(const Stored& w);

/// A number and how far a kernel's may be from it.
struct Near {
  double value = 0, bound = 0;
};
/// Fails the test where element `at` is farther away.
void check(const Data& y, std::int64_t at, const Near& wanted);

}  // namespace openinfer::kernels
