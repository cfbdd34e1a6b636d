// SPDX-License-Identifier: Apache-2.0
// a · b + c of f32 rounded once, over integers alone: nothing that a device may contract, flush or round its own way.
// The exact product and c become numbers of 64 bits with one unit, those bits of the smaller one that fall off count as
// "more than nothing" in its lowest (sticky), and the sum is rounded to nearest, ties to even (IEEE 754, 5.4.1).
#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {
namespace {

struct Wide {
  ScalarExpr high, low;  // u32
};

ScalarExpr number(std::int32_t value) { return ScalarExpr::constant(ScalarKind::i32, value); }
ScalarExpr as_int32(const ScalarExpr& x) { return bit_cast(x, ScalarKind::i32); }

/// 1 where there is a bit.
ScalarExpr any(const ScalarExpr& bits) { return select(bits != uint(0), uint(1), uint(0)); }

/// |x| = significand · 2^(exponent - 150) with bit 23 as the significand's highest, for x ≠ 0.
struct Parts {
  ScalarExpr significand, exponent;
};
Parts parts_of(const ScalarExpr& magnitude, const std::string& name) {
  // A denormal number is its own significand: as a float it says where its highest bit is.
  const ScalarExpr tiny = magnitude < uint(0x00800000);
  const ScalarExpr bits =
      select(tiny, as_uint(convert(magnitude & uint(0x00ffffff), ScalarKind::f32)), magnitude).named(name + "_bits");
  return {((bits & uint(0x007fffff)) | uint(0x00800000)).named(name + "_significand"),
          (as_int32(bits >> 23) - select(tiny, number(149), number(0))).named(name + "_exponent")};
}

/// a · b · 2^15 of two numbers of 24 bits: the highest bit is 61 or 62.
Wide product(const ScalarExpr& a, const ScalarExpr& b) {
  const ScalarExpr a1 = (a >> 12).named("a1"), a0 = (a & uint(0xfff)).named("a0");
  const ScalarExpr b1 = (b >> 12).named("b1"), b0 = (b & uint(0xfff)).named("b0");
  const ScalarExpr middle = (a1 * b0 + a0 * b1).named("middle"), end = (a0 * b0).named("end");
  const ScalarExpr shifted = (end << 15).named("end_low"), low = (shifted + (middle << 27)).named("product_low");
  const ScalarExpr carry = select(low < shifted, uint(1), uint(0));
  return {((a1 * b1 << 7) + (middle >> 5) + (end >> 17) + carry).named("product_high"), low};
}

/// x / 2^n for n in [0, 63]; what falls off is sticky.
Wide shifted_right(const Wide& x, const ScalarExpr& n) {
  const ScalarExpr far = (n >= uint(32)).named("far"), by = (n & uint(31)).named("by");
  const ScalarExpr high = select(far, uint(0), x.high).named("far_high"),
                   low = select(far, x.high, x.low).named("far_low");
  const ScalarExpr lost = select(far, x.low, uint(0)) | (low & ((uint(1) << by) - uint(1)));
  return {(high >> by).named("small_high"),
          ((low >> by) | ((high << 1) << (uint(31) - by)) | any(lost)).named("small_low")};
}

Wide chosen(const ScalarExpr& condition, const Wide& a, const Wide& b, const std::string& name) {
  return {select(condition, a.high, b.high).named(name + "_high"),
          select(condition, a.low, b.low).named(name + "_low")};
}

/// The significand of 64 bits · 2^(exponent - 188) as the nearest f32's bits.
ScalarExpr rounded(const Wide& sum, const ScalarExpr& exponent) {
  const ScalarExpr low_only = (sum.high == uint(0)).named("low_only");
  const ScalarExpr high = select(low_only, sum.low, sum.high).named("high"), low = select(low_only, uint(0), sum.low);
  // The highest bit, without the next one, which could round up to a higher.
  const ScalarExpr highest = as_int32(as_uint(convert(high & ~(high >> 1), ScalarKind::f32)) >> 23);
  const ScalarExpr left = (bit_cast(number(158) - highest, ScalarKind::u32) & uint(31)).named("left");
  const ScalarExpr top = ((high << left) | ((low >> 1) >> (uint(31) - left))).named("top");
  const ScalarExpr biased =
      (exponent + number(2) - select(low_only, number(32), number(0)) - as_int32(left)).named("biased");
  // 24 bits, one more to round by, and a sticky one; denormal results have fewer.
  const ScalarExpr wide = ((top >> 6) | any((top & uint(63)) | (low << left))).named("wide");
  const ScalarExpr fewer =
      bit_cast(max(min(number(1) - biased, number(27)), number(0)), ScalarKind::u32).named("fewer");
  const ScalarExpr kept = ((wide >> fewer) | any(wide & ((uint(1) << fewer) - uint(1)))).named("kept");
  const ScalarExpr nearest = (kept + uint(1) + ((kept >> 2) & uint(1))) >> 2;
  // Its highest bit counts one in the exponent's place; a carry out of the rounding counts there too.
  const ScalarExpr place = bit_cast(max(biased, number(1)) - number(1), ScalarKind::u32) << 23;
  return select(biased > number(254), uint(kInfinityBits), place + nearest);
}

/// Magnitude and sign of a · b + c for finite numbers, a · b ≠ 0.
ScalarExpr finite_sum(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c, const ScalarExpr& product_sign,
                      const ScalarExpr& c_sign) {
  const Parts x = parts_of(a, "a"), y = parts_of(b, "b"), z = parts_of(c, "c");
  const Wide of_product = product(x.significand, y.significand);
  const Wide of_c = {select(c == uint(0), uint(0), z.significand << 6).named("c_high"), uint(0)};
  const ScalarExpr e = (x.exponent + y.exponent - number(127)).named("product_exponent");
  const ScalarExpr swapped = (e < z.exponent).named("swapped");
  const ScalarExpr distance = min(select(swapped, z.exponent - e, e - z.exponent), number(63)).named("distance");
  const Wide big = chosen(swapped, of_c, of_product, "big");
  const Wide small = shifted_right(chosen(swapped, of_product, of_c, "other"), bit_cast(distance, ScalarKind::u32));
  const ScalarExpr opposed = (product_sign != c_sign).named("opposed");
  const ScalarExpr less =
      (opposed && (big.high < small.high || (big.high == small.high && big.low < small.low))).named("less");
  const Wide from = chosen(less, small, big, "from"), take = chosen(less, big, small, "take");
  const ScalarExpr sum_low = (from.low + take.low).named("sum_low"), rest_low = (from.low - take.low).named("rest_low");
  const Wide sum = {from.high + take.high + select(sum_low < from.low, uint(1), uint(0)), sum_low};
  const Wide rest = {from.high - take.high - select(from.low < take.low, uint(1), uint(0)), rest_low};
  const Wide total = chosen(opposed, rest, sum, "total");
  const ScalarExpr of_big = select(swapped, c_sign, product_sign), of_small = select(swapped, product_sign, c_sign);
  const ScalarExpr nothing = total.high == uint(0) && total.low == uint(0);
  const ScalarExpr signed_sum = rounded(total, select(swapped, z.exponent, e)) | select(less, of_small, of_big);
  return select(nothing, uint(0), signed_sum);
}

}  // namespace

ScalarExpr fma_body(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c) {
  const ScalarExpr sign = uint(kSignBit), infinity = uint(kInfinityBits);
  const ScalarExpr x = (as_uint(a) & ~sign).named("a_magnitude"), y = (as_uint(b) & ~sign).named("b_magnitude"),
                   z = (as_uint(c) & ~sign).named("c_magnitude");
  const ScalarExpr product_sign = ((as_uint(a) ^ as_uint(b)) & sign).named("product_sign"),
                   c_sign = (as_uint(c) & sign).named("c_sign");
  const ScalarExpr no_product = (x == uint(0) || y == uint(0)).named("no_product"),
                   endless = (x == infinity || y == infinity).named("endless");
  const ScalarExpr is_nan = x > infinity || y > infinity || z > infinity || (endless && no_product) ||
                            (endless && z == infinity && product_sign != c_sign);
  const ScalarExpr c_alone = select(z == uint(0), product_sign & c_sign, as_uint(c));
  const ScalarExpr value =
      select(z == infinity, as_uint(c), select(no_product, c_alone, finite_sum(x, y, z, product_sign, c_sign)));
  return as_float(select(is_nan, uint(kNanBits), select(endless, product_sign | infinity, value)));
}

}  // namespace openinfer::kernels
