// SPDX-License-Identifier: Apache-2.0
// One element from a plain dtype to another, with one rounding: what cast and kv_write do.
#pragma once

#include <bit>
#include <cmath>
#include <limits>

#include "lib/ops/dtypes.h"

namespace openinfer {

/// A float that rounds to f16 and bf16 as `wide` does: the f32 towards zero, its last bit set if anything was cut.
/// 24 bits hold 11 with two to spare, so the second rounding cannot go wrong. A double must hold `wide`.
inline float round_to_odd(double wide) {
  const float near = static_cast<float>(wide);
  if (std::isnan(wide) || static_cast<double>(near) == wide) return near;
  const bool away = std::abs(static_cast<double>(near)) > std::abs(wide);
  const std::uint32_t cut = std::bit_cast<std::uint32_t>(near) - (away ? 1u : 0u);
  return std::bit_cast<float>(cut | 1u);
}

/// The integer with its bits below the 53 that a double holds gathered in the lowest of them.
template <std::integral I>
double sticky_double(I value) {
  if constexpr (sizeof(I) < 8) {
    return static_cast<double>(value);
  } else {
    const bool negative = value < 0;
    const std::uint64_t bits = static_cast<std::uint64_t>(value), magnitude = negative ? 0 - bits : bits;
    const std::uint64_t kept = magnitude >> 12 << 12 | (magnitude & 0xfffu ? 0x1000u : 0u);
    const double exact = static_cast<double>(magnitude < (1ull << 53) ? magnitude : kept);
    return negative ? -exact : exact;
  }
}

/// Float to integer: towards zero, saturating, NaN to 0.
template <std::integral To, std::floating_point From>
To truncate(From value) {
  if (std::isnan(value)) return 0;
  constexpr From kEnd = static_cast<From>(std::uint64_t{1} << (std::numeric_limits<To>::digits - 1)) * 2;  // max + 1
  if (value >= kEnd) return std::numeric_limits<To>::max();
  if (value <= (std::is_signed_v<To> ? -kEnd : From(0))) return std::numeric_limits<To>::min();
  return static_cast<To>(value);
}

/// To and From are element types in memory: float, double, Half, BFloat16, integers, Byte01.
template <class To, class From>
To convert(From value) {
  constexpr bool from_16 = std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>;
  constexpr bool to_16 = std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>;
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
      return To(round_to_odd(value));
    else
      return To(round_to_odd(sticky_double(value)));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    return truncate<To>(value);
  } else {
    return static_cast<To>(value);  // floats to nearest; integers wrap
  }
}

/// `count` elements at `to` from `from`; both dtypes are plain.
void convert_elements(DType from_dtype, const std::byte* from, DType to_dtype, std::byte* to, std::int64_t count);

}  // namespace openinfer
