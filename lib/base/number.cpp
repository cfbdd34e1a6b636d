// SPDX-License-Identifier: Apache-2.0
#include "lib/base/number.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "lib/base/narrow.h"

namespace openinfer {
namespace {

template <class T>
bool put(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
  return true;
}

template <class T>
bool holds(double value) {
  // The power of two above the largest T is a double, the largest T may not be; the comparison also refuses a NaN.
  const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
  return value >= (std::is_signed_v<T> ? -end : 0.0) && value < end && value == std::floor(value);
}
template <class T, std::integral I>
bool holds(I value) {
  return std::in_range<T>(value);
}

template <class T>
bool put_integer(Number number, std::byte* to) {
  return std::visit([&](auto value) { return holds<T>(value) && put(static_cast<T>(value), to); }, number);
}

template <class T>
T real(Number number) {
  return std::visit([](auto n) { return static_cast<T>(n); }, number);
}

/// A double that rounds to f16 and bf16 as the number does: an integer may have more bits than a double holds.
double wide(Number number) {
  return std::visit(
      [](auto value) -> double {
        if constexpr (std::is_integral_v<decltype(value)>)
          return sticky_double(value);
        else
          return value;
      },
      number);
}

/// A finite number that becomes infinite is one that the dtype cannot hold.
template <class Rounded>
bool put_rounded(double value, Rounded rounded, std::byte* to) {
  if (std::isfinite(value) && !std::isfinite(static_cast<double>(rounded))) return false;
  return put(rounded, to);
}

}  // namespace

bool store_number(Number number, DType dtype, std::byte* to) {
  const auto value = real<double>(number);
  if (dtype == DType::f64) return put(value, to);
  if (dtype == DType::f32) return put_rounded(value, real<float>(number), to);
  if (dtype == DType::f16) return put_rounded(value, narrow<Half>(wide(number)), to);
  if (dtype == DType::bf16) return put_rounded(value, narrow<BFloat16>(wide(number)), to);
  if (dtype == DType::i8) return put_integer<std::int8_t>(number, to);
  if (dtype == DType::i16) return put_integer<std::int16_t>(number, to);
  if (dtype == DType::i32) return put_integer<std::int32_t>(number, to);
  if (dtype == DType::i64) return put_integer<std::int64_t>(number, to);
  if (dtype == DType::u8) return put_integer<std::uint8_t>(number, to);
  if (dtype == DType::u16) return put_integer<std::uint16_t>(number, to);
  if (dtype == DType::u32) return put_integer<std::uint32_t>(number, to);
  if (dtype == DType::u64) return put_integer<std::uint64_t>(number, to);
  if (dtype == DType::boolean && (value == 0 || value == 1)) return put(static_cast<std::uint8_t>(value), to);
  return false;
}

std::string to_string(Number number) {
  return std::visit([](auto n) { return fmt::format("{}", n); }, number);
}

}  // namespace openinfer
