// SPDX-License-Identifier: Apache-2.0
// sin and cos for every finite f32, with one way of reduction for all: x · 2/π mod 4 in integers of 32 bits, of which
// only the bits of 2/π matter that the exponent of x selects (Payne and Hanek 1983).
#include <array>

#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {
namespace {

const auto kU32 = ScalarKind::u32;
// 2/π, 32 bits each after a word of zeros for the x that have no whole turns to lose.
constexpr std::array<std::uint32_t, 8> kTwoOverPi = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                                     0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
// π/2 · 2^-24: as one number, and as 8 bits and the rest.
constexpr float kUnit = 0x1.921fb6p-24f, kUnitHigh = 0x1.92p-24f, kUnitLow = 0x1.fb5444p-36f;

/// |x| = quadrant · π/2 + r + low (mod 2π), |r| ≤ π/4.
struct Reduced {
  ScalarExpr r, low, quadrant;
};

/// The upper word of a · b, a below 2^24.
ScalarExpr multiply_high(const ScalarExpr& a, const ScalarExpr& b) {
  const ScalarExpr mask = uint(0xffff);
  const ScalarExpr a1 = a >> 16, a0 = a & mask, b1 = b >> 16, b0 = b & mask;
  const ScalarExpr mid = a0 * b1, other = a1 * b0;
  const ScalarExpr carry = (a0 * b0 >> 16) + (mid & mask) + (other & mask);
  return a1 * b1 + (mid >> 16) + (other >> 16) + (carry >> 16);
}

/// 32 bits of kTwoOverPi from 32 · (word + offset) + shift on.
ScalarExpr bits_from(const ScalarExpr& word, const ScalarExpr& shift, std::size_t offset) {
  const auto pick = [&](std::size_t at) {
    ScalarExpr picked = uint(kTwoOverPi[at + 4]);
    for (std::size_t w = 4; w-- > 0;)
      picked = select(word == uint(static_cast<std::uint32_t>(w)), uint(kTwoOverPi[at + w]), picked);
    return picked;
  };
  return (pick(offset) << shift) | (pick(offset + 1) >> 1 >> (uint(31) - shift));
}

Reduced reduce(const ScalarExpr& a) {
  const ScalarExpr bits = as_uint(a).named("bits");
  // a = m · 2^(e - 23); bits of 2/π that make multiples of 4 are left out: what comes before e - 25, in kTwoOverPi
  // e + 7 = exponent field - 120. Below π/4 nothing of this is used.
  const ScalarExpr m = ((bits & uint(0x7fffff)) | uint(0x800000)).named("m");
  const ScalarExpr first = (bits >> 23) - uint(120);
  const ScalarExpr word = ((first >> 5) & uint(7)).named("word"), shift = (first & uint(31)).named("shift");
  const ScalarExpr h0 = bits_from(word, shift, 0).named("h0"), h1 = bits_from(word, shift, 1).named("h1"),
                   h2 = bits_from(word, shift, 2).named("h2");
  // (p0, p1) / 2^64 = a · 2/π / 4 mod 1.
  const ScalarExpr product = (m * h1).named("product");
  const ScalarExpr p1 = (product + multiply_high(m, h2)).named("p1");
  const ScalarExpr carry = select(p1 < product, uint(1), uint(0));
  const ScalarExpr p0 = (m * h0 + multiply_high(m, h1) + carry).named("p0");
  const ScalarExpr quadrant = ((p0 + uint(0x20000000)) >> 30).named("turned");
  // What is left, in [-1/8, 1/8) turns, as sign and magnitude, and that as the sum of two floats in units of 2^-26
  // turns.
  const ScalarExpr rest = (p0 - (quadrant << 30)).named("rest");
  const ScalarExpr negative = (as_uint(rest) >= uint(kSignBit)).named("negative");
  const ScalarExpr hi = select(negative, ~rest + select(p1 == uint(0), uint(1), uint(0)), rest).named("hi");
  const ScalarExpr lo = select(negative, uint(0) - p1, p1).named("lo");
  const auto to_float = [](const ScalarExpr& u) { return convert(bit_cast(u, ScalarKind::i32), ScalarKind::f32); };
  const ScalarExpr upper = to_float(hi >> 6).named("upper");
  const ScalarExpr lower = (to_float(((hi & uint(63)) << 25) | (lo >> 7)) * ScalarExpr(0x1p-31f)).named("lower");
  const ScalarExpr s = (upper + lower).named("s"), s_low = lower - (s - upper);
  // Times π/2 · 2^-24, with s · kUnit in two parts.
  const ScalarExpr s1 = upper_half(s).named("s1"), high = (s1 * ScalarExpr(kUnitHigh)).named("high");
  const ScalarExpr tail =
      (s1 * ScalarExpr(kUnitLow) + (s - s1) * ScalarExpr(kUnit) + s_low * ScalarExpr(kUnit)).named("tail");
  const ScalarExpr r = (high + tail).named("far_r"), low = (tail - (r - high)).named("far_low");
  const ScalarExpr near = (a <= ScalarExpr(0.78539816f)).named("near");
  return {select(near, a, select(negative, -r, r)).named("r"),
          select(near, ScalarExpr(0), select(negative, -low, low)).named("low"),
          select(near, ScalarExpr(0), quadrant).as(kU32).named("quadrant")};
}

// Minimax fits: r + r³ s(r²) within 2^-32 of sin r, 1 - r²/2 + r⁴ c(r²) within 2^-32 of cos r.
ScalarExpr sine(const Reduced& a, const ScalarExpr& r2) {
  const ScalarExpr s = polynomial(r2, {-0.166666672f, 0.0083333794f, -0.000198530703f, 2.83268992e-06f});
  return a.r + (a.r * r2 * s + (a.low - ScalarExpr(0.5) * r2 * a.low));
}
ScalarExpr cosine(const Reduced& a, const ScalarExpr& r2) {
  const ScalarExpr c = polynomial(r2, {0.0416666456f, -0.00138873106f, 2.44325638e-05f});
  const ScalarExpr half = (ScalarExpr(0.5) * r2).named("half"), w = (ScalarExpr(1) - half).named("w");
  return w + (((ScalarExpr(1) - w) - half) + (r2 * r2 * c - a.r * a.low));
}

/// Of the quadrant's sine or cosine, negated in every second half turn.
ScalarExpr turned(const ScalarExpr& a, const ScalarExpr& odd, const ScalarExpr& even, const ScalarExpr& quadrant,
                  const ScalarExpr& half_turn, const ScalarExpr& sign) {
  const ScalarExpr value = select((quadrant & uint(1)) != uint(0), odd, even);
  const ScalarExpr signed_value = as_float(as_uint(value) ^ ((half_turn & uint(2)) << 30) ^ sign);
  return select(a < f32_bits(kInfinityBits), signed_value, f32_bits(kNanBits));
}

}  // namespace

ScalarExpr sin_body(const ScalarExpr& x) {
  const ScalarExpr a = abs(x).named("a");
  const Reduced y = reduce(a);
  const ScalarExpr r2 = (y.r * y.r).named("r2");
  return turned(a, cosine(y, r2), sine(y, r2), y.quadrant, y.quadrant, as_uint(x) & uint(kSignBit));
}

ScalarExpr cos_body(const ScalarExpr& x) {
  const ScalarExpr a = abs(x).named("a");
  const Reduced y = reduce(a);
  const ScalarExpr r2 = (y.r * y.r).named("r2");
  return turned(a, sine(y, r2), cosine(y, r2), y.quadrant, y.quadrant + uint(1), uint(0));
}

}  // namespace openinfer::kernels
