// SPDX-License-Identifier: Apache-2.0
// Elementwise operators: a part of ops.h, which says what holds for all.
#pragma once

#include <type_traits>

#include "openinfer/graph.h"

namespace openinfer {

// --- elementwise arithmetic ---------------------------------------------------------------------------------------
// result[i] = f(a[i], b[i]). Shapes: broadcast. Dtypes: equal. Errors: dtype_mismatch C1 if the operands' dtypes
// differ or f does not take them; shape_mismatch C2 if the shapes do not broadcast.

/// a + b, a − b, a · b.  Dtypes: f16|bf16|f32|f64 and i8…i64, u8…u64, which wrap.  Errors: [C1] [C2].
Value operator+(const Value& a, const In& b);
Value operator-(const Value& a, const In& b);
Value operator*(const Value& a, const In& b);
/// a / b.  Dtypes: floats.  Errors: [C1] [C2].
Value operator/(const Value& a, const In& b);
/// A number or a weight on the left: 1 - x, model["b"] + x.
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator+(const T& a, const In& b);
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator-(const T& a, const In& b);
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator*(const T& a, const In& b);
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator/(const T& a, const In& b);
/// −x.  Dtypes: floats, signed integers (−min wraps to min) [C1].
Value operator-(const In& x);
/// The operators by name.  Errors: [C1] [C2].
Value add(const In& a, const In& b);
Value sub(const In& a, const In& b);
Value mul(const In& a, const In& b);
Value div(const In& a, const In& b);
Pipe add(const In& b);
Pipe sub(const In& b);
Pipe mul(const In& b);
Pipe div(const In& b);
/// The smaller, the larger; a NaN in either operand gives NaN; of −0 and +0 the first.  Dtypes: floats, integers.
/// Errors: [C1] [C2].
Value min(const In& a, const In& b);
Value max(const In& a, const In& b);
Pipe min(const In& b);
Pipe max(const In& b);
/// a · b + c with one rounding (f32: std::fma; f16, bf16: in f32, then rounded).  Dtypes: floats.  Errors: [C1] [C2].
Value fma(const In& a, const In& b, const In& c);
/// −x, |x|.  Dtypes: floats, signed integers (−min and |min| wrap to min) [C1].
Value neg(const In& x);
Value abs(const In& x);
Pipe neg();
Pipe abs();

/// Scalar functions.  Dtypes: floats [C1]; f16 and bf16 in f32. Definitions are C++'s of the same name, within what the
/// C library guarantees (2 ULP); the composed ones are evaluated as written, so that silu(−∞) is NaN.
Value exp(const In& x);
Value log(const In& x);
Value sqrt(const In& x);
Value rsqrt(const In& x);  // 1 / sqrt(x)
Value sin(const In& x);
Value cos(const In& x);
Value tanh(const In& x);
Value erf(const In& x);
Value sigmoid(const In& x);  // 1 / (1 + exp(−x))
Value silu(const In& x);     // x / (1 + exp(−x))
/// x/2 · (1 + erf(x/√2)); its tanh form: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
/// Dtypes: floats [C1].  Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
Value gelu(const In& x);
Value gelu_tanh(const In& x);
/// max(x, 0).  Dtypes: floats, signed integers [C1].  With an upper end: clamp(x, 0, high); leaky: max(x, slope · x).
Value relu(const In& x);
Pipe exp();
Pipe log();
Pipe sqrt();
Pipe rsqrt();
Pipe sin();
Pipe cos();
Pipe tanh();
Pipe erf();
Pipe sigmoid();
Pipe silu();
Pipe gelu();
Pipe gelu_tanh();
Pipe relu();

/// ln(1 + x), e^x − 1: as exact for small x as for others.  Dtypes: floats [C1].
Value log1p(const In& x);
Value expm1(const In& x);
/// ln(1 + e^x), as max(x, 0) + log1p(exp(−|x|)).  Dtypes: floats [C1].
Value softplus(const In& x);
/// 1 / x.  Dtypes: floats [C1].
Value recip(const In& x);
Pipe log1p();
Pipe expm1();
Pipe softplus();
Pipe recip();
/// a^b as C's pow: a negative a has whole powers only (else NaN), x^0 and 1^y are 1 whatever x and y are.
/// Dtypes: floats.  Errors: [C1] [C2].
Value pow(const In& a, const In& b);
Pipe pow(const In& b);
/// The whole number down, up, nearest (of two the even one), towards zero.  Dtypes: floats [C1].
Value floor(const In& x);
Value ceil(const In& x);
Value round(const In& x);
Value trunc(const In& x);
Pipe floor();
Pipe ceil();
Pipe round();
Pipe trunc();
/// −1, 0 or 1; zeros (−0 too) and NaN are their own.  Dtypes: floats, signed integers [C1].
Value sign(const In& x);
Pipe sign();
/// min(max(x, low), high): NaN in any operand gives NaN, high wins where low is larger.  Dtypes: floats, integers.
/// Errors: [C1] [C2].
Value clamp(const In& x, const In& low, const In& high);
Pipe clamp(const In& low, const In& high);
/// ⌊a / b⌋ and a − b·⌊a / b⌋, which has b's sign (as Python's and NumPy's).  Dtypes: floats, integers.
/// Integers: both are 0 for b = 0; the least divided by −1 wraps to itself. Floats: b = 0 gives ±∞ or NaN, and NaN as
/// the remainder, which is also NaN where |a / b| is 2^22 (f64: 2^51) or more and no unit of b can be told.
/// Errors: [C1] [C2].
Value floor_div(const In& a, const In& b);
Value rem(const In& a, const In& b);
Pipe floor_div(const In& b);
Pipe rem(const In& b);

// --- comparison and selection --------------------------------------------------------------------------------------

/// a ? b as bool. Shapes: broadcast.  Dtypes: equal; floats, integers, bool.  Errors: as arithmetic's [C1] [C2].
/// A NaN is unequal to everything and not ordered.
Value eq(const In& a, const In& b);
Value ne(const In& a, const In& b);
Value lt(const In& a, const In& b);
Value le(const In& a, const In& b);
Value gt(const In& a, const In& b);
Value ge(const In& a, const In& b);
/// Logical on bool, bit by bit on integers. In the text: and, or, xor, not.  Errors: as arithmetic's [C1] [C2].
Value and_(const In& a, const In& b);
Value or_(const In& a, const In& b);
Value xor_(const In& a, const In& b);
/// Dtypes: bool, integers [C1].
Value not_(const In& x);
/// x · 2^amount, wrapped; x / 2^amount rounded down: signed integers keep their sign. An amount that is negative or
/// not below x's bits shifts all of them out: 0, or −1 of a negative x to the right.  Dtypes: equal integers.
/// Errors: as arithmetic's [C1] [C2].
Value shl(const In& x, const In& amount);
Value shr(const In& x, const In& amount);
Pipe shl(const In& amount);
Pipe shr(const In& amount);
/// Bits of x that are 1, in x's dtype.  Dtypes: integers [C1].
Value popcount(const In& x);
Pipe popcount();
/// What x is, as bool.  Dtypes: floats [C1].
Value is_nan(const In& x);
Value is_inf(const In& x);
Value is_finite(const In& x);
/// x < 0: not so of −0 and NaN.  Dtypes: floats, signed integers [C1].
Value is_neg(const In& x);
/// condition[i] ? a[i] : b[i].  Shapes: broadcast [C3].  Dtypes: condition bool [C1]; a and b equal and plain [C2].
Value select(const In& condition, const In& a, const In& b);

// --- details ---------------------------------------------------------------------------------------------------------

namespace detail {
template <class T>
In left(const T& a, Location at) {
  if constexpr (std::is_same_v<T, Weight>)
    return In(a);
  else
    return In(a, At(at.file, at.line));
}
}  // namespace detail

template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator+(const T& a, const In& b) {
  return add(detail::left(a, b.at()), b);
}
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator-(const T& a, const In& b) {
  return sub(detail::left(a, b.at()), b);
}
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator*(const T& a, const In& b) {
  return mul(detail::left(a, b.at()), b);
}
template <class T>
requires(std::is_arithmetic_v<T> || std::is_same_v<T, Weight>) Value operator/(const T& a, const In& b) {
  return div(detail::left(a, b.at()), b);
}
}  // namespace openinfer
