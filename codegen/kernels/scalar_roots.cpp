// SPDX-License-Identifier: Apache-2.0
// Division and roots by Newton's method. Where a residual decides the last bit, its products are made exact by
// splitting the factors in halves (Dekker 1971).
#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {
namespace {

const auto kI32 = ScalarKind::i32;

/// |x| = mantissa · 2^exponent, mantissa in [1, 2): for finite x ≠ 0.
struct FloatParts {
  ScalarExpr mantissa, exponent;
};
FloatParts float_parts(const ScalarExpr& x, std::string_view name) {
  const ScalarExpr a = abs(x);
  const ScalarExpr tiny = a < ScalarExpr(0x1p-126f);
  const ScalarExpr bits = as_int(select(tiny, a * ScalarExpr(0x1p24f), a)).named(std::string(name) + "_bits");
  const ScalarExpr mantissa = as_float((bits & ScalarExpr(0x7fffff)) | ScalarExpr(0x3f800000));
  return {mantissa.named(std::string(name) + "_m"),
          (bits >> 23) - select(tiny, ScalarExpr::constant(kI32, 127 + 24), ScalarExpr(127))};
}

/// 1 / m for m in [1, 2): a line within 1/17, squared three times.
ScalarExpr mantissa_reciprocal(const ScalarExpr& m) {
  ScalarExpr r = ScalarExpr(24.0f / 17) - ScalarExpr(8.0f / 17) * m;
  for (int step = 0; step < 3; ++step) {
    r = r.named("r");
    r = r + r * (ScalarExpr(1) - m * r);
  }
  return r.named("r");
}

/// x^-½ within 5e-6 for normal x > 0; the first guess halves the exponent in the bits (Lomont 2003).
ScalarExpr rough_rsqrt(const ScalarExpr& x) {
  ScalarExpr y = as_float(ScalarExpr(0x5f375a86) - (as_int(x) >> 1));
  const ScalarExpr half_x = (ScalarExpr(0.5) * x).named("half_x");
  for (int step = 0; step < 2; ++step) {
    y = y.named("y");
    y = y + y * (ScalarExpr(0.5) - half_x * y * y);
  }
  return y.named("y");
}

/// x · 2^(2k), far from both ends of the range, and what undoes it: 2^k for 1 / √x, 2^-k for √x.
struct Centered {
  ScalarExpr x, up, down;
};
Centered centered(const ScalarExpr& x) {
  const auto constant = [](float v) { return ScalarExpr::constant(ScalarKind::f32, v); };
  const ScalarExpr small = (x < ScalarExpr(0x1p-64f)).named("small"), large = (x > ScalarExpr(0x1p64f)).named("large");
  const auto choose = [&](float up, float down) {
    return select(small, constant(up), select(large, constant(down), ScalarExpr(1)));
  };
  return {(x * choose(0x1p64f, 0x1p-64f)).named("s"), choose(0x1p32f, 0x1p-32f), choose(0x1p-32f, 0x1p32f)};
}

}  // namespace

ScalarExpr upper_half(const ScalarExpr& x) { return as_float(as_uint(x) & uint(0xfffff000)); }

ScalarExpr reciprocal_body(const ScalarExpr& x) {
  const FloatParts p = float_parts(x, "x");
  const ScalarExpr value = scaled(mantissa_reciprocal(p.mantissa), (-p.exponent).named("k"));
  const ScalarExpr a = abs(x), infinity = f32_bits(kInfinityBits);
  const ScalarExpr magnitude = select(a == ScalarExpr(0), infinity, select(a == infinity, ScalarExpr(0), value));
  return select(x == x, with_sign_of(magnitude, x), x);
}

ScalarExpr div_body(const ScalarExpr& a, const ScalarExpr& b) {
  const FloatParts n = float_parts(a, "a"), d = float_parts(b, "b");
  const ScalarExpr r = mantissa_reciprocal(d.mantissa), guess = (n.mantissa * r).named("guess");
  const ScalarExpr g1 = upper_half(guess).named("g1"), g2 = (guess - g1).named("g2");
  const ScalarExpr d1 = upper_half(d.mantissa).named("d1"), d2 = (d.mantissa - d1).named("d2");
  const ScalarExpr residual = n.mantissa - g1 * d1 - g1 * d2 - g2 * d1 - g2 * d2;
  // Beyond these the result is 0 or infinity whatever the mantissas are.
  const ScalarExpr k = max(min(n.exponent - d.exponent, ScalarExpr(130)), ScalarExpr(-160)).named("k");
  const ScalarExpr value = scaled(guess + residual * r, k);
  const ScalarExpr x = abs(a), y = abs(b), zero(0), infinity = f32_bits(kInfinityBits);
  const ScalarExpr magnitude =
      select(x == zero || y == infinity, zero, select(y == zero || x == infinity, infinity, value));
  const ScalarExpr undefined = a != a || b != b || (x == zero && y == zero) || (x == infinity && y == infinity);
  const ScalarExpr sign = as_float(as_uint(a) ^ as_uint(b));
  return select(undefined, f32_bits(kNanBits), with_sign_of(magnitude, sign));
}

ScalarExpr rsqrt_body(const ScalarExpr& x) {
  const Centered c = centered(x);
  // 12 bits of the guess, so that its square is exact; then a step of third order.
  const ScalarExpr y = upper_half(rough_rsqrt(c.x)).named("y1");
  const ScalarExpr e = (ScalarExpr(1) - c.x * (y * y)).named("e");
  const ScalarExpr value = (y + y * e * (ScalarExpr(0.5) + ScalarExpr(0.375) * e)) * c.up;
  const ScalarExpr infinity = f32_bits(kInfinityBits), zero(0);
  const ScalarExpr positive = select(x == infinity, zero, value);
  return select(x > zero, positive, select(x == zero, with_sign_of(infinity, x), f32_bits(kNanBits)));
}

ScalarExpr sqrt_body(const ScalarExpr& x) {
  const Centered c = centered(x);
  const ScalarExpr y = rough_rsqrt(c.x), guess = (c.x * y).named("guess");
  const ScalarExpr g1 = upper_half(guess).named("g1"), g2 = (guess - g1).named("g2");
  const ScalarExpr residual = c.x - g1 * g1 - ScalarExpr(2) * g1 * g2 - g2 * g2;
  const ScalarExpr value = (guess + ScalarExpr(0.5) * y * residual) * c.down;
  const ScalarExpr zero(0);
  // 0, infinity and NaN are their own roots.
  return select(x > zero && x < f32_bits(kInfinityBits), value, select(x < zero, f32_bits(kNanBits), x));
}

}  // namespace openinfer::kernels
