// SPDX-License-Identifier: Apache-2.0
// The number of elements of a symbolic shape, as far as it can be written down: what same_size compares and reshape
// divides.
#pragma once

#include <cstdint>
#include <vector>

#include "openinfer/dim.h"

namespace openinfer {

/// number · Π symbols. The symbols are dimensions whose coefficients have no common divisor, the first of them
/// positive, in the order of their texts; a number of 0 has none.
struct SizeProduct {
  std::int64_t number = 1;
  std::vector<Dim> symbols;
  bool operator==(const SizeProduct&) const = default;
};

/// Errors: invalid_argument if the number leaves the range of sizes.
SizeProduct size_product(const Shape& shape);

}  // namespace openinfer
