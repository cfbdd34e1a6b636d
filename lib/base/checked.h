// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic that throws instead of wrapping: for every size that comes from a file, a graph or a caller.
#pragma once

#include <cstdint>

#include "lib/base/fail.h"

namespace openinfer {

inline std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) fail(ErrorCode::invalid_argument, "{} + {} leaves the range of sizes", a, b);
  return sum;
}

inline std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product))
    fail(ErrorCode::invalid_argument, "{} · {} leaves the range of sizes", a, b);
  return product;
}

}  // namespace openinfer
