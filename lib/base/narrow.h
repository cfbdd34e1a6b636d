// SPDX-License-Identifier: Apache-2.0
// Doubles and integers to f16 and bf16 with one rounding.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

#include "openinfer/half.h"

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

/// To: Half or BFloat16. The nearest to `value`, ties to even; by way of the nearest float it would be rounded twice.
template <class To>
To narrow(double value) {
  return To(round_to_odd(value));
}

}  // namespace openinfer
