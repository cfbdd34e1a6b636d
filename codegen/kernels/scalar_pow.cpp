// SPDX-License-Identifier: Apache-2.0
// log1p, expm1 and pow: where exp and log alone would lose what they are about.
#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {
namespace {

// ln 2 in two parts: 15 bits, so that its product with an exponent is exact, and the rest.
constexpr float kHighOfLn2 = 0x1.62e4p-1f, kLowOfLn2 = 0x1.7f7d1cp-20f;

ScalarExpr f32_number(float value) { return ScalarExpr::constant(ScalarKind::f32, static_cast<double>(value)); }

/// e^r - 1 - r for |r| ≤ ln(2) / 2: exp_body's polynomial.
ScalarExpr behind_r(const ScalarExpr& r) {
  return r * r * polynomial(r, {0.49999994f, 0.166665211f, 0.0416682623f, 0.00836867373f, 0.00138210412f});
}
ScalarExpr near_expm1(const ScalarExpr& r) { return (r + behind_r(r)).named("p"); }

/// A number as high + low, where high has 12 bits of significand: products of two such are exact.
struct SplitLog {
  ScalarExpr high, low;
};

/// 2^exponent · mantissa = |x|, mantissa in [√½, √2).
struct BinaryParts {
  ScalarExpr exponent, mantissa;
};
BinaryParts binary_of(const ScalarExpr& a) {
  constexpr int kHalfRoot = 0x3f3504f3;
  const ScalarExpr tiny = (a < ScalarExpr(0x1p-126f)).named("tiny");
  const ScalarExpr i = (as_int(select(tiny, a * ScalarExpr(0x1p24f), a)) - ScalarExpr(kHalfRoot)).named("i");
  const ScalarExpr e = (i >> 23) - select(tiny, ScalarExpr(24).as(ScalarKind::i32), ScalarExpr(0));
  return {convert(e, ScalarKind::f32).named("e"),
          as_float((i & ScalarExpr(0x7fffff)) + ScalarExpr(kHalfRoot)).named("m")};
}

/// log2 a within 2^-33 of itself, for finite a > 0. With s = (m - 1) / (m + 1), ln m = 2 atanh s =
/// 2/3 s (3 + s² + 3/5 s⁴ + 3/7 s⁶ + …), |s| < 0.172: what is left out is below 2^-34 of 3. The first terms are added
/// up in two numbers each, as in fdlibm's e_powf.c (Sun Microsystems 1993).
SplitLog log2_of(const ScalarExpr& a) {
  const auto [e, m] = binary_of(a);
  const ScalarExpr f = (m - ScalarExpr(1)).named("f"), sum = (m + ScalarExpr(1)).named("sum");
  const ScalarExpr sum_high = upper_half(sum).named("sum_high"), sum_low = (m - (sum_high - ScalarExpr(1)));
  const ScalarExpr of_sum = (ScalarExpr(1) / sum).named("of_sum"), s = (f * of_sum).named("s");
  const ScalarExpr s_high = upper_half(s).named("s_high");
  const ScalarExpr s_low = (of_sum * (f - s_high * sum_high - s_high * sum_low)).named("s_low");
  const ScalarExpr w = (s * s).named("w"), w_high = (s_high * s_high).named("w_high");
  const ScalarExpr r =
      (s_low * (s_high + s) + w * w * polynomial(w, {3.0f / 5, 3.0f / 7, 3.0f / 9, 3.0f / 11})).named("r");
  const ScalarExpr t_high = upper_half(ScalarExpr(3) + w_high + r).named("t_high");
  const ScalarExpr t_low = r - ((t_high - ScalarExpr(3)) - w_high);
  const ScalarExpr u = (s_high * t_high).named("u"), v = (s_low * t_high + t_low * s).named("v");
  const ScalarExpr p_high = upper_half(u + v).named("p_high"), p_low = v - (p_high - u);
  // 2 / (3 ln 2) in 12 bits, and the rest.
  constexpr float kHigh = 0.961669921875f, kLow = 0.000126772051f;
  const ScalarExpr z_high = (f32_number(kHigh) * p_high).named("z_high");
  const ScalarExpr z_low = (f32_number(kLow) * p_high + p_low * f32_number(kHigh + kLow)).named("z_low");
  const ScalarExpr high = upper_half((z_high + z_low) + e).named("log_high");
  return {high, (z_low - ((high - e) - z_high)).named("log_low")};
}

/// 2^(b · log), for |b · log| < 160.
ScalarExpr power_of(const SplitLog& log, const ScalarExpr& b) {
  const ScalarExpr b_high = upper_half(b).named("b_high");
  const ScalarExpr high = (b_high * log.high).named("high");
  const ScalarExpr low = ((b - b_high) * log.high + b * log.low).named("low");
  // Adding 1.5 · 2^23 leaves the nearest integer in the low bits of the sum.
  const ScalarExpr shifted = ((high + low) + ScalarExpr(12582912)).named("shifted");
  const ScalarExpr n = shifted - ScalarExpr(12582912), k = (as_int(shifted) - ScalarExpr(0x4b400000)).named("k");
  const ScalarExpr r = (((high - n) + low) * ScalarExpr(0.693147182f)).named("r");
  return scaled(ScalarExpr(1) + near_expm1(r), k);
}

}  // namespace

// u = 1 + x, rounded: ln (1 + x) = ln u + c / u, where c is what the rounding took.
ScalarExpr log1p_body(const ScalarExpr& x) {
  const ScalarExpr u = (ScalarExpr(1) + x).named("u"), c = (x - (u - ScalarExpr(1))).named("c");
  const ScalarExpr usual = u > ScalarExpr(0) && u < f32_bits(kInfinityBits);
  const ScalarExpr rest = select(usual, c, ScalarExpr(0)) / select(usual, u, ScalarExpr(1));
  // So small an x is its own result, the sign of zero too.
  return select(u == ScalarExpr(1), x, log(u) + rest);
}

// x = n ln 2 + r: e^x - 1 = ((2^n - 1) + 2^n r) + 2^n (e^r - 1 - r), of which the first is nearly exact, and the last
// takes what r lost; e^x itself from 20 on.
ScalarExpr expm1_body(const ScalarExpr& x) {
  const ScalarExpr c =
      select(x > ScalarExpr(20), ScalarExpr(20), select(x < ScalarExpr(-20), ScalarExpr(-20), x)).named("c");
  const ScalarExpr shifted = (c * ScalarExpr(1.44269502f) + ScalarExpr(12582912)).named("shifted");
  const ScalarExpr n = (shifted - ScalarExpr(12582912)).named("n");
  const ScalarExpr k = (as_int(shifted) - ScalarExpr(0x4b400000)).named("k");
  const ScalarExpr high = (c - n * ScalarExpr(kHighOfLn2)).named("high"),
                   low = (n * ScalarExpr(kLowOfLn2)).named("low");
  const ScalarExpr r = (high - low).named("r"), p = (behind_r(r) + ((high - r) - low)).named("p");
  const ScalarExpr scale = power_of_two(k).named("scale");
  const ScalarExpr value = ((scale - ScalarExpr(1)) + scale * r) + scale * p;
  return select(x > ScalarExpr(20), exp(x), with_sign_of(value, x));  // of a zero too
}

// Special values are C's (C11, F.10.4.4): x^0 and 1^y are 1 whatever x and y are.
ScalarExpr pow_body(const ScalarExpr& a, const ScalarExpr& b) {
  const ScalarExpr zero(0), one(1), infinity = f32_bits(kInfinityBits);
  const ScalarExpr x = abs(a).named("x");
  const SplitLog log = log2_of(x);
  const ScalarExpr rough = (b * log.high).named("rough");
  const ScalarExpr inside = (abs(rough) < ScalarExpr(160)).named("inside");
  const ScalarExpr usual = power_of(log, select(inside, b, zero));
  const ScalarExpr beyond = select(rough > zero, infinity, zero);
  const ScalarExpr of_zero = select(b < zero, infinity, zero), of_infinity = select(b < zero, zero, infinity);
  const ScalarExpr magnitude =
      select(x == zero, of_zero, select(x == infinity, of_infinity, select(inside, usual, beyond)));
  const ScalarExpr negative = (as_uint(a) & uint(kSignBit)) != uint(0), half = ScalarExpr(0.5) * b;
  const ScalarExpr whole = floor(b) == b, odd = whole && floor(half) != half;
  const ScalarExpr undefined = a != a || b != b || (a < zero && x < infinity && !whole);
  const ScalarExpr signed_power = as_float(as_uint(magnitude) | select(negative && odd, uint(kSignBit), uint(0)));
  // By its bits: where denormals count as 0, NaN to the power of one is still NaN.
  const ScalarExpr no_power = (as_uint(b) & uint(~kSignBit)) == uint(0);
  const ScalarExpr value = select(undefined, f32_bits(kNanBits), signed_power);
  return select(a == one || no_power || (a == -one && abs(b) == infinity), one, value);
}

}  // namespace openinfer::kernels
