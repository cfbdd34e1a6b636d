// SPDX-License-Identifier: Apache-2.0
// Division that rounds down, and its remainder: what floor_div and rem are, for numbers and for expressions.
#pragma once

#include <cmath>
#include <limits>

#include "lib/ops/wrapping.h"
#include "openinfer/scalar_expr.h"

namespace openinfer {

/// a = quotient · b + remainder, the remainder between 0 and b.
template <class T>
struct FloorDivided {
  T quotient, remainder;
};

/// Floats. A rounded quotient is a whole number too large where it was rounded up to one: the remainder, which fma
/// leaves exact, then has the other sign. From `limit` on no remainder can be told: half the place of its units.
template <class T>
FloorDivided<T> floor_divided_floats(T a, T b, double limit) {
  using scalar::select;
  using std::abs;
  using std::floor;
  using std::fma;
  const T zero(0), rounded = a / b, whole = floor(rounded);
  const T rest = select(whole == zero, a, fma(-whole, b, a));  // of an infinite b too
  const auto known = abs(rounded) < T(limit);
  const auto above = (rest < zero && b > zero) || (rest > zero && b < zero);
  const T nan(std::numeric_limits<double>::quiet_NaN());
  return {select(known && above, whole - T(1), whole), select(known, select(above, rest + b, rest), nan)};
}

/// Integers: nothing divides by 0, nor the least by -1, which machines trap or leave open.
template <class T>
FloorDivided<T> floor_divided_integers(T a, T b, bool is_signed) {
  using scalar::select;
  const T none{}, one{1};
  const auto by_none = b == none;
  const T divisor = is_signed ? select(by_none || b == -one, one, b) : select(by_none, one, b);
  const T towards_none = a / divisor, rest = a - towards_none * divisor;
  if (!is_signed) return {select(by_none, none, towards_none), rest};
  const auto above = rest != none && (rest < none) != (divisor < none);
  const T quotient = select(above, towards_none - one, towards_none);
  return {select(by_none, none, select(b == -one, -a, quotient)), select(above, rest + divisor, rest)};
}

inline constexpr double kKnownF32 = 0x1p22, kKnownF64 = 0x1p51;

template <class T>
FloorDivided<T> floor_divided(T a, T b) {
  if constexpr (std::is_same_v<T, ScalarExpr>)
    return is_float(a.kind()) ? floor_divided_floats(a, b, a.kind() == ScalarKind::f64 ? kKnownF64 : kKnownF32)
                              : floor_divided_integers(a, b, is_signed_int(a.kind()));
  else if constexpr (std::is_floating_point_v<T>)
    return floor_divided_floats(a, b, sizeof(T) == 8 ? kKnownF64 : kKnownF32);
  else
    return floor_divided_integers(a, b, std::is_signed_v<decltype(a.value)>);
}

}  // namespace openinfer
