// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/convert_expr.h"

namespace openinfer {
namespace {

using Kind = ScalarKind;

/// lib/base/narrow.h's round_to_odd: a double that will be rounded once more.
ScalarExpr round_to_odd_expr(const ScalarExpr& wide) {
  const ScalarExpr near = convert(wide, Kind::f32), back = convert(near, Kind::f64);
  const ScalarExpr away = select(abs(back) > abs(wide), ScalarExpr(1), ScalarExpr::constant(Kind::u32, 0));
  const ScalarExpr cut = bit_cast(near, Kind::u32) - away;
  return select(back == wide || wide != wide, near, bit_cast(cut | ScalarExpr(1), Kind::f32));
}

/// An integer in `to` with the `spare` bits that `to` may not hold gathered in the lowest of those it does, if it is
/// 2^exact or more.
ScalarExpr sticky_expr(const ScalarExpr& x, Kind to, int exact, int spare) {
  const Kind bits = bits_of(x.kind()) == 64 ? Kind::u64 : Kind::u32;
  const ScalarExpr magnitude = is_signed_int(x.kind()) ? bit_cast(abs(x), bits) : x;
  const ScalarExpr lowest = ScalarExpr::from_bits(bits, std::uint64_t{1} << spare), none = lowest ^ lowest;
  const ScalarExpr cut = magnitude & ScalarExpr::from_bits(bits, (std::uint64_t{1} << spare) - 1);
  const ScalarExpr kept = (magnitude >> spare << spare) | select(cut != none, lowest, none);
  const ScalarExpr limit = ScalarExpr::from_bits(bits, std::uint64_t{1} << exact);
  const ScalarExpr value = convert(select(magnitude < limit, magnitude, kept), to);
  return is_signed_int(x.kind()) ? select(x < ScalarExpr(0), -value, value) : value;
}

/// To f16 or bf16, in f32: anything that the store's rounding takes to the nearest element.
ScalarExpr to_16_bits(const ScalarExpr& x, DType from, DType to) {
  if (x.kind() == Kind::f64) return round_to_odd_expr(x);
  // f16 overflows long before an f32 rounds integers, and integers of 16 bits are exact.
  if (to == DType::f16 || !is_int(x.kind()) || info(from).bits <= 16) return convert(x, Kind::f32);
  if (bits_of(x.kind()) == 64) return round_to_odd_expr(sticky_expr(x, Kind::f64, 53, 12));
  return sticky_expr(x, Kind::f32, 24, 8);
}

/// lib/base/float8.h: the code of an f32 that rounds as the number does.
ScalarExpr to_8_bits(const ScalarExpr& x, DType to) {
  const bool e4m3 = to == DType::f8e4m3;
  const int shift = e4m3 ? 20 : 21;
  const auto bits = [](std::uint32_t n) { return ScalarExpr::from_bits(Kind::u32, n); };
  const auto exponent = [](int e) { return static_cast<std::uint32_t>(e) << 23; };
  const std::uint32_t lowest = exponent(127 - (e4m3 ? 7 : 15)), unit = exponent(128 + shift - (e4m3 ? 7 : 15));
  const ScalarExpr all = bit_cast(x, Kind::u32), magnitude = all & bits(0x7fffffffu);
  const ScalarExpr small =
      bit_cast(bit_cast(magnitude, Kind::f32) + ScalarExpr::from_bits(Kind::f32, unit), Kind::u32) - bits(unit);
  const ScalarExpr odd = (magnitude >> shift) & bits(1), half = bits((1u << (shift - 1)) - 1);
  const ScalarExpr normal = (magnitude - bits(lowest) + half + odd) >> shift;
  const ScalarExpr finite = select(magnitude < bits(lowest + exponent(1)), small, normal);
  const ScalarExpr special = magnitude >= bits(exponent(255));
  const ScalarExpr over = bits(e4m3 ? 0x7fu : 0x7cu), largest = bits(e4m3 ? 0x7eu : 0x7bu);
  const ScalarExpr code = select(special, over, select(finite > largest, over, finite));
  const ScalarExpr nan = select(magnitude > bits(exponent(255)), bits(e4m3 ? 0x7fu : 0x7eu), code);
  return nan | ((all >> 24) & bits(0x80));
}

/// Saturation in 32 bits, then in those of `to`.
ScalarExpr to_small_integer(const ScalarExpr& x, DType to) {
  const Kind kind = compute_kind(to);
  const int digits = info(to).bits - (is_signed_int(to) ? 1 : 0);
  const double end = static_cast<double>(1 << digits);
  const ScalarExpr whole = convert(x, kind), below = min(whole, ScalarExpr(end - 1));
  return is_signed_int(to) ? max(below, ScalarExpr(-end)) : below;
}

/// Are all elements of `from` elements of `to`? Both are integers or bool.
bool holds(DType to, DType from) {
  if (from == DType::boolean) return true;
  if (is_signed_int(from) == is_signed_int(to)) return info(from).bits <= info(to).bits;
  return is_signed_int(to) && info(from).bits < info(to).bits;
}

}  // namespace

ScalarExpr convert_expr(const ScalarExpr& x, DType from, DType to) {
  if (from == to) return x;
  if (is_float8(to)) return to_8_bits(to_16_bits(x, from, DType::bf16), to);
  if (to == DType::f16 || to == DType::bf16) return to_16_bits(x, from, to);
  if (is_float(from) && is_int(to) && info(to).bits < 32) return to_small_integer(x, to);
  const ScalarExpr y = convert(x, compute_kind(to));
  return is_int(to) && !is_float(from) && !holds(to, from) ? narrow(y, to) : y;
}

}  // namespace openinfer
