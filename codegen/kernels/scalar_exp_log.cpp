// SPDX-License-Identifier: Apache-2.0
// exp, log and what is made of them. Polynomials are minimax fits (weighted least squares, reweighted until the errors
// level out) whose coefficients were rounded to f32 one by one, the rest refitted each time.
#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {
namespace {
// ln 2 in two parts: 15 bits, so that its product with an exponent is exact, and the rest.
constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;
}  // namespace

ScalarExpr power_of_two(const ScalarExpr& k) { return as_float((k + ScalarExpr(127)) << 23); }

ScalarExpr scaled(const ScalarExpr& x, const ScalarExpr& k) {
  const ScalarExpr half = (k >> 1).named("half_k");
  return x * power_of_two(half) * power_of_two(k - half);
}

ScalarExpr polynomial(const ScalarExpr& x, std::initializer_list<float> c) {
  ScalarExpr p(*(c.end() - 1));
  for (const float* at = c.end() - 1; at != c.begin();) p = ScalarExpr(*--at) + x * p;
  return p;
}

ScalarExpr with_sign_of(const ScalarExpr& magnitude, const ScalarExpr& sign) {
  return as_float(as_uint(magnitude) | (as_uint(sign) & uint(kSignBit)));
}

// x = n ln 2 + r, e^x = 2^n e^r; e^r = 1 + r + r² q(r) with |r| ≤ ln(2) / 2, where q is within 2^-28.
ScalarExpr exp_body(const ScalarExpr& x) {
  // Beyond these the result is 0 or infinity. NaNs pass, and come out as NaN whatever n is.
  const ScalarExpr c =
      select(x > ScalarExpr(89), ScalarExpr(89), select(x < ScalarExpr(-104), ScalarExpr(-104), x)).named("c");
  // Adding 1.5 · 2^23 leaves the nearest integer in the low bits of the sum.
  const ScalarExpr shifted = (c * ScalarExpr(1.44269502f) + ScalarExpr(12582912)).named("shifted");
  const ScalarExpr n = (shifted - ScalarExpr(12582912)).named("n");
  const ScalarExpr k = (as_int(shifted) - ScalarExpr(0x4b400000)).named("k");
  const ScalarExpr r = (c - n * ScalarExpr(kLn2High) - n * ScalarExpr(kLn2Low)).named("r");
  const ScalarExpr q = polynomial(r, {0.49999994f, 0.166665211f, 0.0416682623f, 0.00836867373f, 0.00138210412f});
  return scaled((ScalarExpr(1) + (r + r * r * q)).named("p"), k);
}

// The same r and q. 2^n is added to the exponent of e^r, which is right where the result is a normal number; what comes
// out for other x is replaced, NaN by NaN + infinity.
ScalarExpr exp_fma_body(const ScalarExpr& x) {
  const ScalarExpr magic(12582912), infinity = f32_bits(kInfinityBits);
  const ScalarExpr shifted = fma(x, ScalarExpr(1.44269502f), magic).named("shifted");
  const ScalarExpr n = (shifted - magic).named("n");
  const ScalarExpr r = fma(n, ScalarExpr(-kLn2Low), fma(n, ScalarExpr(-kLn2High), x)).named("r");
  ScalarExpr p(0.00138210412f);
  for (const float c : {0.00836867373f, 0.0416682623f, 0.166665211f, 0.49999994f, 1.0f, 1.0f})
    p = fma(p, r, ScalarExpr(c));
  const ScalarExpr e = as_float(as_int(p) + (as_int(shifted) << 23)).named("e");
  return select(x < ScalarExpr(-0x1.5d589ep+6f), ScalarExpr(0),
                select(x <= ScalarExpr(0x1.62e42ep+6f), e, x + infinity));
}

// x = 2^e (1 + f) with 1 + f in [√½, √2); log(1 + f) = f - f²/2 + f³ p(f), where p is within 2^-30.
ScalarExpr log_body(const ScalarExpr& x) {
  constexpr int kRootHalf = 0x3f3504f3;
  const ScalarExpr tiny = (x < ScalarExpr(0x1p-126f)).named("tiny");
  const ScalarExpr i = (as_int(select(tiny, x * ScalarExpr(0x1p23f), x)) - ScalarExpr(kRootHalf)).named("i");
  const ScalarExpr e =
      convert((i >> 23) - select(tiny, ScalarExpr(23).as(ScalarKind::i32), ScalarExpr(0)), ScalarKind::f32).named("e");
  const ScalarExpr f = (as_float((i & ScalarExpr(0x7fffff)) + ScalarExpr(kRootHalf)) - ScalarExpr(1)).named("f");
  const ScalarExpr f2 = (f * f).named("f2");
  const ScalarExpr p = polynomial(f, {0.333333135f, -0.250000089f, 0.200020716f, -0.166679904f, 0.142203629f,
                                      -0.124062069f, 0.118834689f, -0.116701998f, 0.067495726f});
  const ScalarExpr rest = f2 * f * p + e * ScalarExpr(kLn2Low) - ScalarExpr(0.5) * f2;
  const ScalarExpr y = e * ScalarExpr(kLn2High) + (f + rest);
  const ScalarExpr infinity = f32_bits(kInfinityBits);
  const ScalarExpr special =
      select(x == ScalarExpr(0), -infinity, select(x < ScalarExpr(0), f32_bits(kNanBits), x));  // infinity, NaN: x
  return select(x > ScalarExpr(0) && x < infinity, y, special);
}

// tanh x = x + x³ p(x²) below 0.6, 1 - 2 / (e^(2|x|) + 1) above.
ScalarExpr tanh_body(const ScalarExpr& x) {
  const ScalarExpr a = abs(x).named("a"), x2 = (x * x).named("x2");
  const ScalarExpr p = polynomial(x2, {-0.333332986f, 0.133319363f, -0.0537847169f, 0.0207986254f, -0.00589796668f});
  const ScalarExpr near = a + a * x2 * p;
  const ScalarExpr far = ScalarExpr(1) - ScalarExpr(2) / (exp(a + a) + ScalarExpr(1));
  return with_sign_of(select(a < ScalarExpr(0.6f), near, far), x);  // -0 too
}

// erf x = x + x p(x²) below 0.93, 1 - e^-(t + t q(t)) above, t = |x|; 1 from 4 on.
ScalarExpr erf_body(const ScalarExpr& x) {
  const ScalarExpr a = abs(x).named("a");
  const ScalarExpr t = select(a > ScalarExpr(4), ScalarExpr(4), a).named("t"), x2 = (x * x).named("x2");
  const ScalarExpr p = polynomial(x2, {0.128379166f, -0.376126289f, 0.112836257f, -0.0268557314f, 0.00519240508f,
                                       -0.000804976968f, 7.99664922e-05f});
  const ScalarExpr q = polynomial(
      t, {0.12864849f, 0.635151327f, 0.106236845f, -0.0237620194f, 0.0036424296f, -0.000322794018f, 1.12300131e-05f});
  const ScalarExpr far = ScalarExpr(1) - exp(-(t + t * q));
  return select(a < ScalarExpr(0.93f), x + x * p, with_sign_of(far, x));
}

// e^x / (1 + e^x) for negative x, which 1 / (1 + e^-x) would lose to overflow.
ScalarExpr sigmoid_body(const ScalarExpr& x) {
  const ScalarExpr e = exp(-abs(x));
  return select(x < ScalarExpr(0), e, ScalarExpr(1)) / (ScalarExpr(1) + e);
}

}  // namespace openinfer::kernels
