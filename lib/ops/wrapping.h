// SPDX-License-Identifier: Apache-2.0
// Integers that wrap: the arithmetic of integer dtypes, without C++'s promotions and without undefined overflow.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace openinfer {

template <std::integral T>
struct Wrapping {
  T value;

  // 64 bits hold every operand; the conversion back keeps the low bits, which is what wrapping means.
  static constexpr Wrapping of(std::uint64_t bits) { return {static_cast<T>(bits)}; }
  constexpr std::uint64_t bits() const { return static_cast<std::uint64_t>(value); }

  friend constexpr Wrapping operator+(Wrapping a, Wrapping b) { return of(a.bits() + b.bits()); }
  friend constexpr Wrapping operator-(Wrapping a, Wrapping b) { return of(a.bits() - b.bits()); }
  friend constexpr Wrapping operator*(Wrapping a, Wrapping b) { return of(a.bits() * b.bits()); }
  friend constexpr Wrapping operator-(Wrapping a) { return of(std::uint64_t{0} - a.bits()); }
  /// Towards zero; b is not 0, nor -1 under the least a.
  friend constexpr Wrapping operator/(Wrapping a, Wrapping b) { return {static_cast<T>(a.value / b.value)}; }
  friend constexpr Wrapping operator&(Wrapping a, Wrapping b) { return of(a.bits() & b.bits()); }
  friend constexpr Wrapping operator|(Wrapping a, Wrapping b) { return of(a.bits() | b.bits()); }
  friend constexpr Wrapping operator^(Wrapping a, Wrapping b) { return of(a.bits() ^ b.bits()); }
  friend constexpr Wrapping operator~(Wrapping a) { return of(~a.bits()); }
  friend constexpr Wrapping abs(Wrapping a) { return a.value < 0 ? -a : a; }
  friend constexpr bool operator==(Wrapping, Wrapping) = default;
  friend constexpr auto operator<=>(Wrapping, Wrapping) = default;
};

namespace scalar {
/// The conditional operator as a function, for lambdas that serve expressions too.
template <class T>
constexpr T select(bool condition, T a, T b) {
  return condition ? a : b;
}
}  // namespace scalar

}  // namespace openinfer
