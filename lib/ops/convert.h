// SPDX-License-Identifier: Apache-2.0
// One element from a plain dtype to another, with one rounding: what cast and kv_write do.
#pragma once

#include <cmath>
#include <limits>

#include "lib/base/float8.h"
#include "lib/base/narrow.h"
#include "lib/ops/dtypes.h"

namespace openinfer {

/// Float to integer: towards zero, saturating, NaN to 0.
template <std::integral To, std::floating_point From>
To truncate(From value) {
  if (std::isnan(value)) return 0;
  constexpr From kEnd = static_cast<From>(std::uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2;  // max + 1
  if (value >= kEnd) return std::numeric_limits<To>::max();
  if (value <= (std::is_signed_v<To> ? -kEnd : From(0))) return std::numeric_limits<To>::min();
  return static_cast<To>(value);
}

/// To and From are element types in memory: float, double, Half, BFloat16, integers, Byte01; To also an 8-bit float.
template <class To, class From>
To convert(From value) {
  constexpr bool from_16 = std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>;
  constexpr bool to_8 = std::is_same_v<To, Float8E4M3> || std::is_same_v<To, Float8E5M2>;
  constexpr bool to_16 = to_8 || std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>;
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (from_16) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, Byte01>) {
    return convert<To>(static_cast<std::uint8_t>(value.byte != 0));
  } else if constexpr (std::is_same_v<To, Byte01>) {
    return Byte01{static_cast<std::uint8_t>(value != From(0))};
  } else if constexpr (to_16) {
    if constexpr (std::is_same_v<From, float>)
      return To(value);
    else if constexpr (std::is_same_v<From, double>)
      return narrow<To>(value);
    else
      return narrow<To>(sticky_double(value));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    return truncate<To>(value);
  } else {
    return static_cast<To>(value);  // floats to nearest; integers wrap
  }
}

/// `count` elements at `to` from `from`; both dtypes are plain, `to_dtype` may be an 8-bit float.
void convert_elements(DType from_dtype, const std::byte* from, DType to_dtype, std::byte* to, std::int64_t count);

}  // namespace openinfer
