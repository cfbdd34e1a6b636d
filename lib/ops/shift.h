// SPDX-License-Identifier: Apache-2.0
// Shifts by any amount: what shl and shr are, for integers and for expressions.
#pragma once

#include "lib/ops/wrapping.h"
#include "openinfer/scalar_expr.h"

namespace openinfer {

/// x · 2^amount, wrapped; 0 for an amount outside [0, bits of x).
template <class T>
Wrapping<T> shifted_left(Wrapping<T> x, Wrapping<T> amount) {
  const std::uint64_t by = amount.bits();  // a negative one is large
  return by < 8 * sizeof(T) ? Wrapping<T>::of(x.bits() << by) : Wrapping<T>{};
}
/// x / 2^amount, rounded down; for an amount outside [0, bits of x) what a shift by all bits leaves: 0, or -1 of a
/// negative x.
template <class T>
Wrapping<T> shifted_right(Wrapping<T> x, Wrapping<T> amount) {
  const std::uint64_t by = amount.bits();
  if (by < 8 * sizeof(T)) return {static_cast<T>(x.value >> by)};
  return x < Wrapping<T>{} ? -Wrapping<T>{1} : Wrapping<T>{};
}

// Elements of 8 and 16 bits are computed in 32: an amount that their dtype does not have shifts all of them out too.
inline ScalarExpr shift_limit(const ScalarExpr& x) { return ScalarExpr::constant(x.kind(), bits_of(x.kind()) - 1); }
inline ScalarExpr is_shift(const ScalarExpr& amount, const ScalarExpr& limit) {
  const ScalarExpr below = amount <= limit;
  return is_signed_int(amount.kind()) ? amount >= ScalarExpr(0) && below : below;
}
inline ScalarExpr shifted_left(const ScalarExpr& x, const ScalarExpr& amount) {
  const ScalarExpr legal = is_shift(amount, shift_limit(x));
  return select(legal, x << select(legal, amount, ScalarExpr(0)), ScalarExpr(0));
}
inline ScalarExpr shifted_right(const ScalarExpr& x, const ScalarExpr& amount) {
  const ScalarExpr limit = shift_limit(x), legal = is_shift(amount, limit);
  if (is_signed_int(x.kind())) return x >> select(legal, amount, limit);
  return select(legal, x >> select(legal, amount, limit), ScalarExpr(0));
}

}  // namespace openinfer
