// SPDX-License-Identifier: Apache-2.0
// a · b + c rounded once, over integers alone: nothing that a device may contract, flush or round its own way.
// The exact product and c become numbers of two words with one unit, those bits of the smaller one that fall off count
// as "more than nothing" in its lowest (sticky), and the sum is rounded to nearest, ties to even (IEEE 754, 5.4.1).
#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {
namespace {

/// IEEE 754, table 3.5: a word's sign, exponent and fraction.
struct Format {
  ScalarKind real, word, whole;  // as a float, as bits, as a signed number
  int bits, fraction, bias;
};
constexpr Format kBinary32 = {ScalarKind::f32, ScalarKind::u32, ScalarKind::i32, 32, 23, 127};
constexpr Format kBinary64 = {ScalarKind::f64, ScalarKind::u64, ScalarKind::i64, 64, 52, 1023};

constexpr std::uint64_t ones(int count) { return (std::uint64_t{1} << count) - 1; }

struct Wide {
  ScalarExpr high, low;  // words
};

/// |x| = significand · 2^(exponent - bias - fraction), the significand's highest bit at `fraction`, for x ≠ 0.
struct Parts {
  ScalarExpr significand, exponent;
};

class Fma {
 public:
  explicit Fma(const Format& format) : f_(format) {}

  ScalarExpr operator()(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c) const {
    const ScalarExpr sign = word(std::uint64_t{1} << (f_.bits - 1)), infinity = word(infinity_bits());
    const ScalarExpr x = (bits_of(a) & ~sign).named("a_magnitude"), y = (bits_of(b) & ~sign).named("b_magnitude"),
                     z = (bits_of(c) & ~sign).named("c_magnitude");
    const ScalarExpr product_sign = ((bits_of(a) ^ bits_of(b)) & sign).named("product_sign"),
                     c_sign = (bits_of(c) & sign).named("c_sign");
    const ScalarExpr no_product = (x == word(0) || y == word(0)).named("no_product"),
                     endless = (x == infinity || y == infinity).named("endless");
    const ScalarExpr is_nan = x > infinity || y > infinity || z > infinity || (endless && no_product) ||
                              (endless && z == infinity && product_sign != c_sign);
    const ScalarExpr c_alone = select(z == word(0), product_sign & c_sign, bits_of(c));
    const ScalarExpr value =
        select(z == infinity, bits_of(c), select(no_product, c_alone, finite_sum(x, y, z, product_sign, c_sign)));
    const ScalarExpr nan = word(infinity_bits() | std::uint64_t{1} << (f_.fraction - 1));
    return bit_cast(select(is_nan, nan, select(endless, product_sign | infinity, value)), f_.real);
  }

 private:
  ScalarExpr word(std::uint64_t bits) const { return ScalarExpr::from_bits(f_.word, bits); }
  ScalarExpr number(int value) const { return ScalarExpr::constant(f_.whole, value); }
  ScalarExpr as_number(const ScalarExpr& x) const { return bit_cast(x, f_.whole); }
  ScalarExpr as_word(const ScalarExpr& x) const { return bit_cast(x, f_.word); }
  ScalarExpr bits_of(const ScalarExpr& x) const { return bit_cast(x, f_.word); }
  std::uint64_t infinity_bits() const { return ones(f_.bits - 1 - f_.fraction) << f_.fraction; }
  /// 1 where there is a bit.
  ScalarExpr any(const ScalarExpr& bits) const { return select(bits != word(0), word(1), word(0)); }
  /// How far a product of significands is shifted up: its highest bit is then the third or second highest of two words.
  int product_shift() const { return 2 * (f_.bits - f_.fraction) - 3; }

  Parts parts_of(const ScalarExpr& magnitude, const std::string& name) const {
    // A denormal number is its own significand: as a float it says where its highest bit is.
    const ScalarExpr tiny = magnitude < word(std::uint64_t{1} << f_.fraction);
    const ScalarExpr bits = select(tiny, bits_of(convert(magnitude & word(ones(f_.fraction + 1)), f_.real)), magnitude)
                                .named(name + "_bits");
    const ScalarExpr lower = select(tiny, number(f_.bias + f_.fraction - 1), number(0));
    return {((bits & word(ones(f_.fraction))) | word(std::uint64_t{1} << f_.fraction)).named(name + "_significand"),
            (as_number(bits >> f_.fraction) - lower).named(name + "_exponent")};
  }

  /// a · b · 2^product_shift() of two significands, by halves.
  Wide product(const ScalarExpr& a, const ScalarExpr& b) const {
    const int half = f_.fraction / 2 + 1, shift = product_shift();
    const ScalarExpr a1 = (a >> half).named("a1"), a0 = (a & word(ones(half))).named("a0");
    const ScalarExpr b1 = (b >> half).named("b1"), b0 = (b & word(ones(half))).named("b0");
    const ScalarExpr middle = (a1 * b0 + a0 * b1).named("middle"), end = (a0 * b0).named("end");
    const ScalarExpr shifted = (end << shift).named("end_low"),
                     low = (shifted + (middle << (half + shift))).named("product_low");
    const ScalarExpr carry = select(low < shifted, word(1), word(0));
    const ScalarExpr start = a1 * b1 << (2 * half + shift - f_.bits);
    return {(start + (middle >> (f_.bits - half - shift)) + (end >> (f_.bits - shift)) + carry).named("product_high"),
            low};
  }

  /// x / 2^n for n below the bits of two words; what falls off is sticky.
  Wide shifted_right(const Wide& x, const ScalarExpr& n) const {
    const int last = f_.bits - 1;
    const ScalarExpr far = (n >= word(static_cast<std::uint64_t>(f_.bits))).named("far"),
                     by = (n & word(static_cast<std::uint64_t>(last))).named("by");
    const ScalarExpr high = select(far, word(0), x.high).named("far_high"),
                     low = select(far, x.high, x.low).named("far_low");
    const ScalarExpr lost = select(far, x.low, word(0)) | (low & ((word(1) << by) - word(1)));
    return {
        (high >> by).named("small_high"),
        ((low >> by) | ((high << 1) << (word(static_cast<std::uint64_t>(last)) - by)) | any(lost)).named("small_low")};
  }

  static Wide chosen(const ScalarExpr& condition, const Wide& a, const Wide& b, const std::string& name) {
    return {select(condition, a.high, b.high).named(name + "_high"),
            select(condition, a.low, b.low).named(name + "_low")};
  }

  /// The two words · 2^(exponent - bias - 2 fraction - product_shift()) as the nearest float's bits.
  ScalarExpr rounded(const Wide& sum, const ScalarExpr& exponent) const {
    const int last = f_.bits - 1, spare = f_.bits - f_.fraction - 3;
    const ScalarExpr low_only = (sum.high == word(0)).named("low_only");
    const ScalarExpr high = select(low_only, sum.low, sum.high).named("high"), low = select(low_only, word(0), sum.low);
    // The highest bit, without the next one, which could round up to a higher.
    const ScalarExpr highest = as_number(bits_of(convert(high & ~(high >> 1), f_.real)) >> f_.fraction);
    const ScalarExpr left =
        (as_word(number(f_.bias + last) - highest) & word(static_cast<std::uint64_t>(last))).named("left");
    const ScalarExpr top =
        ((high << left) | ((low >> 1) >> (word(static_cast<std::uint64_t>(last)) - left))).named("top");
    const ScalarExpr biased =
        (exponent + number(2) - select(low_only, number(f_.bits), number(0)) - as_number(left)).named("biased");
    // The significand's bits, one more to round by, and a sticky one; denormal results have fewer.
    const ScalarExpr wide = ((top >> spare) | any((top & word(ones(spare))) | (low << left))).named("wide");
    const ScalarExpr fewer = as_word(max(min(number(1) - biased, number(f_.fraction + 4)), number(0))).named("fewer");
    const ScalarExpr kept = ((wide >> fewer) | any(wide & ((word(1) << fewer) - word(1)))).named("kept");
    const ScalarExpr nearest = (kept + word(1) + ((kept >> 2) & word(1))) >> 2;
    // Its highest bit counts one in the exponent's place; a carry out of the rounding counts there too.
    const ScalarExpr place = as_word(max(biased, number(1)) - number(1)) << f_.fraction;
    return select(biased > number(2 * f_.bias), word(infinity_bits()), place + nearest);
  }

  /// Magnitude and sign of a · b + c for finite numbers, a · b ≠ 0.
  ScalarExpr finite_sum(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c, const ScalarExpr& product_sign,
                        const ScalarExpr& c_sign) const {
    const Parts x = parts_of(a, "a"), y = parts_of(b, "b"), z = parts_of(c, "c");
    const Wide of_product = product(x.significand, y.significand);
    const int up = f_.fraction + product_shift() - f_.bits;  // to the product's unit
    const Wide of_c = {select(c == word(0), word(0), z.significand << up).named("c_high"), word(0)};
    const ScalarExpr e = (x.exponent + y.exponent - number(f_.bias)).named("product_exponent");
    const ScalarExpr swapped = (e < z.exponent).named("swapped");
    const ScalarExpr apart = select(swapped, z.exponent - e, e - z.exponent);
    const ScalarExpr distance = min(apart, number(2 * f_.bits - 1)).named("distance");
    const Wide big = chosen(swapped, of_c, of_product, "big");
    const Wide small = shifted_right(chosen(swapped, of_product, of_c, "other"), as_word(distance));
    const ScalarExpr opposed = (product_sign != c_sign).named("opposed");
    const ScalarExpr less =
        (opposed && (big.high < small.high || (big.high == small.high && big.low < small.low))).named("less");
    const Wide from = chosen(less, small, big, "from"), take = chosen(less, big, small, "take");
    const ScalarExpr sum_low = (from.low + take.low).named("sum_low"),
                     rest_low = (from.low - take.low).named("rest_low");
    const Wide sum = {from.high + take.high + select(sum_low < from.low, word(1), word(0)), sum_low};
    const Wide rest = {from.high - take.high - select(from.low < take.low, word(1), word(0)), rest_low};
    const Wide total = chosen(opposed, rest, sum, "total");
    const ScalarExpr of_big = select(swapped, c_sign, product_sign), of_small = select(swapped, product_sign, c_sign);
    const ScalarExpr nothing = total.high == word(0) && total.low == word(0);
    const ScalarExpr signed_sum = rounded(total, select(swapped, z.exponent, e)) | select(less, of_small, of_big);
    return select(nothing, word(0), signed_sum);
  }

  const Format& f_;
};

}  // namespace

ScalarExpr fma_body(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c) {
  return Fma(a.kind() == ScalarKind::f64 ? kBinary64 : kBinary32)(a, b, c);
}

}  // namespace openinfer::kernels
