// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/cast_mode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "lib/ops/convert.h"
#include "lib/ops/convert_expr.h"
#include "lib/ops/rounding.h"

namespace openinfer {
namespace {

constexpr float kLargestF32 = std::numeric_limits<float>::max(), kLargestBf16 = 0x1.fep127f;

/// The whole number that `mode` takes x to; T is a float or an expression of one.
template <class T>
T whole_number(const std::string& rounding, const T& x) {
  using scalar::round_even;
  using scalar::select;
  using std::abs;
  using std::floor;
  if (rounding == "floor") return floor(x);
  if (rounding == "ceil") return -floor(-x);
  if (rounding == "round") return round_even(x);
  const T cut = select(x < T(0), -floor(-x), floor(x));
  if (rounding != "away") return cut;
  return select(abs(x - cut) >= T(0.5), select(x < T(0), cut - T(1), cut + T(1)), cut);
}

template <class To, class From>
To saturated_element(From x) {
  using Limits = std::numeric_limits<To>;
  if (std::cmp_less(x, Limits::min())) return Limits::min();
  return std::cmp_greater(x, Limits::max()) ? Limits::max() : static_cast<To>(x);
}

/// The largest finite number instead of what its rounding or an infinity leaves; a NaN stays one.
template <class To, class From>
To saturated_float8(From x) {
  constexpr std::uint8_t kLargest = std::is_same_v<To, Float8E4M3> ? 0x7e : 0x7b;
  To y = convert<To>(x);
  bool nan = false;
  if constexpr (!std::is_integral_v<From> && !std::is_same_v<From, Byte01>) nan = std::isnan(Element<From>::load(x));
  if (!nan && (y.bits & 0x7f) > kLargest) y.bits = static_cast<std::uint8_t>((y.bits & 0x80) | kLargest);
  return y;
}

template <class To, class From>
To convert_in_mode(const CastMode& mode, From x) {
  constexpr bool float_from = !std::is_integral_v<From> && !std::is_same_v<From, Byte01>;
  constexpr bool float_to = !std::is_integral_v<To> && !std::is_same_v<To, Byte01>;
  if constexpr (std::is_same_v<To, Float8E4M3> || std::is_same_v<To, Float8E5M2>) {
    return mode.saturate ? saturated_float8<To>(x) : convert<To>(x);
  } else if constexpr (float_from && std::is_integral_v<To>) {
    return convert<To>(whole_number(mode.rounding, Element<From>::load(x)));
  } else if constexpr (float_to && !std::is_same_v<To, double>) {
    const To y = convert<To>(x);
    const bool leaves = mode.saturate && std::isinf(static_cast<float>(y));
    if (!leaves) return y;
    const float largest = std::is_same_v<To, Half> ? 65504.0f : std::is_same_v<To, float> ? kLargestF32 : kLargestBf16;
    return To(std::copysign(largest, static_cast<float>(y)));
  } else if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
    return mode.saturate ? saturated_element<To>(x) : convert<To>(x);
  } else {
    return convert<To>(x);
  }
}

/// x as near as the integers of `to` come to it.
ScalarExpr saturated_integer(const ScalarExpr& x, DType from, DType to) {
  const auto digits = [](DType t) { return info(t).bits - (is_signed_int(t) ? 1 : 0); };
  const auto limit = [&](std::uint64_t bits) { return ScalarExpr::from_bits(x.kind(), bits); };
  ScalarExpr y = x;
  if (is_signed_int(from) && (!is_signed_int(to) || digits(to) < digits(from)))
    y = max(y, limit(is_signed_int(to) ? ~std::uint64_t{0} << digits(to) : 0));
  if (digits(to) < digits(from)) y = min(y, limit(~(~std::uint64_t{0} << digits(to))));
  return y;
}

double largest_of(DType dtype) {
  if (dtype == DType::f16) return 65504;
  if (is_float8(dtype)) return dtype == DType::f8e4m3 ? 448 : 57344;
  return static_cast<double>(dtype == DType::f32 ? kLargestF32 : kLargestBf16);
}

}  // namespace

bool is_rounding(std::string_view name) {
  constexpr auto kKnown = std::to_array<std::string_view>({"", "trunc", "floor", "ceil", "round", "away"});
  return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

void convert_elements(const CastMode& mode, DType from_dtype, const std::byte* from, DType to_dtype, std::byte* to,
                      std::int64_t count) {
  if (mode.is_usual() || from_dtype == to_dtype) return convert_elements(from_dtype, from, to_dtype, to, count);
  dispatch<kPlain>(from_dtype, [&](auto from_tag) {
    using From = typename decltype(from_tag)::Type;
    const auto each = [&](auto to_tag) {
      using To = typename decltype(to_tag)::Type;
      const auto* x = reinterpret_cast<const From*>(from);
      auto* y = reinterpret_cast<To*>(to);
      for (std::int64_t i = 0; i < count; ++i) y[i] = convert_in_mode<To>(mode, x[i]);
    };
    if (to_dtype == DType::f8e4m3) return each(Tag<Float8E4M3>{});
    if (to_dtype == DType::f8e5m2) return each(Tag<Float8E5M2>{});
    dispatch<kPlain>(to_dtype, each);
  });
}

ScalarExpr convert_expr(const CastMode& mode, const ScalarExpr& x, DType from, DType to) {
  if (mode.is_usual() || from == to) return convert_expr(x, from, to);
  if (is_float(from) && is_int(to)) return convert_expr(whole_number(mode.rounding, x), from, to);
  if (!mode.saturate || from == DType::boolean || to == DType::boolean) return convert_expr(x, from, to);
  if (is_int(from) && is_int(to)) return convert_expr(saturated_integer(x, from, to), from, to);
  if (to == DType::f64) return convert_expr(x, from, to);
  // A double is cut before it is rounded: to f32 it would be infinite already.
  const double most = largest_of(to);
  const auto cut = [&](const ScalarExpr& y) { return max(min(y, ScalarExpr(most)), ScalarExpr(-most)); };
  if (is_float(from)) return convert_expr(cut(x), from, to);
  // What an f32 rounds of a whole number lies beyond the largest 8-bit float.
  if (is_float8(to)) return convert_expr(cut(convert_expr(x, from, DType::f32)), DType::f32, to);
  return cut(convert_expr(x, from, to));
}

}  // namespace openinfer
