// SPDX-License-Identifier: Apache-2.0
// 8-bit floats as storage types: arithmetic happens in float, a store rounds to nearest, ties to even.
// Source: Micikevicius et al. 2022, arXiv:2209.05433; what is too large as in the ml_dtypes library.
#pragma once

#include <bit>
#include <cstdint>

namespace openinfer {

/// The magnitude of a finite float in `mantissa` bits with that bias, to nearest even, as if exponents had no end.
constexpr std::uint32_t round_to_f8(std::uint32_t magnitude, int mantissa, int bias) {
  const int shift = 23 - mantissa;
  const auto exponents = static_cast<std::uint32_t>(127 - bias) << 23;
  if (magnitude < exponents + (1u << 23)) {  // denormal or zero: an addition whose sum's last place is the unit rounds
    const auto unit = static_cast<std::uint32_t>(127 + shift + 1 - bias) << 23;
    return std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + std::bit_cast<float>(unit)) - unit;
  }
  const std::uint32_t half = (1u << (shift - 1)) - 1, odd = (magnitude >> shift) & 1u;
  return (magnitude - exponents + half + odd) >> shift;
}

/// Four bits of exponent, three of mantissa, no infinity: what is beyond 448 once rounded becomes NaN, as do
/// infinities.
struct Float8E4M3 {
  std::uint8_t bits = 0;
  constexpr Float8E4M3() = default;
  constexpr explicit Float8E4M3(float f) {
    const std::uint32_t all = std::bit_cast<std::uint32_t>(f), magnitude = all & 0x7fffffffu;
    const std::uint32_t code = magnitude >= 0x7f800000u ? 0x7fu : round_to_f8(magnitude, 3, 7);
    bits = static_cast<std::uint8_t>((all >> 24 & 0x80u) | (code > 0x7eu ? 0x7fu : code));
  }
};

/// Five bits of exponent, two of mantissa, as IEEE's: what is beyond 57344 once rounded becomes infinite.
struct Float8E5M2 {
  std::uint8_t bits = 0;
  constexpr Float8E5M2() = default;
  constexpr explicit Float8E5M2(float f) {
    const std::uint32_t all = std::bit_cast<std::uint32_t>(f), magnitude = all & 0x7fffffffu;
    const std::uint32_t finite = magnitude >= 0x7f800000u ? 0x7cu : round_to_f8(magnitude, 2, 15);
    const std::uint32_t code = magnitude > 0x7f800000u ? 0x7eu : finite > 0x7bu ? 0x7cu : finite;
    bits = static_cast<std::uint8_t>((all >> 24 & 0x80u) | code);
  }
};

}  // namespace openinfer
