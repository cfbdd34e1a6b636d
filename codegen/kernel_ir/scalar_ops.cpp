// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/scalar_ops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "openinfer/half.h"

namespace openinfer::kir {
namespace {

template <class T>
using Carrier = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

template <class T>
T as(Bits bits) {
  if constexpr (std::is_same_v<T, bool>)
    return bits != 0;
  else
    return std::bit_cast<T>(static_cast<Carrier<T>>(bits));
}
template <class T>
Bits bits_of(T value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? 1 : 0;
  else
    return std::bit_cast<Carrier<T>>(value);
}

/// f(T{}) for the C++ type of a register kind.
template <class F>
auto with_type(Kind kind, F&& f) {
  switch (kind) {
    case Kind::b1: return f(bool{});
    case Kind::i32: return f(std::int32_t{});
    case Kind::u32:
    case Kind::i8x4: return f(std::uint32_t{});
    case Kind::i64: return f(std::int64_t{});
    case Kind::u64: return f(std::uint64_t{});
    case Kind::f64: return f(double{});
    case Kind::f32:
    case Kind::none:
    case Kind::mma_a:
    case Kind::mma_b:
    case Kind::mma_c:
    case Kind::f16:
    case Kind::bf16:
    case Kind::i8:
    case Kind::u8:
    case Kind::i16:
    case Kind::u16: break;  // a verified kernel has no values of other kinds
  }
  return f(float{});
}

template <class T>
std::optional<Bits> number_result(Op op, T a, T b) {
  constexpr bool kInteger = std::is_integral_v<T>;
  using U = typename std::conditional_t<kInteger, std::make_unsigned<T>, std::type_identity<T>>::type;
  const U x = static_cast<U>(a), y = static_cast<U>(b);  // integers wrap
  if (op == Op::add) return bits_of(static_cast<T>(x + y));
  if (op == Op::sub) return bits_of(static_cast<T>(x - y));
  if (op == Op::mul) return bits_of(static_cast<T>(x * y));
  if (op == Op::min) return bits_of(a < b ? a : b);
  if (op == Op::max) return bits_of(a > b ? a : b);
  if (op == Op::neg) return bits_of(kInteger ? static_cast<T>(U{0} - x) : static_cast<T>(-a));
  if (op == Op::eq) return bits_of(a == b);
  if (op == Op::ne) return bits_of(a != b);
  if (op == Op::lt) return bits_of(a < b);
  if (op == Op::le) return bits_of(a <= b);
  if (op == Op::abs) {
    if constexpr (!kInteger) return bits_of(std::fabs(a));
    if constexpr (kInteger) return bits_of(a < T{0} ? static_cast<T>(U{0} - x) : a);
  }
  return std::nullopt;
}

template <class T>
std::optional<Bits> integer_result(Op op, T a, T b) {
  using U = std::make_unsigned_t<T>;
  const int width = static_cast<int>(8 * sizeof(T));
  if (op == Op::bit_and) return bits_of(static_cast<T>(a & b));
  if (op == Op::bit_or) return bits_of(static_cast<T>(a | b));
  if (op == Op::bit_xor) return bits_of(static_cast<T>(a ^ b));
  if (op == Op::bit_not) return bits_of(static_cast<T>(~a));
  if (op == Op::shift_left || op == Op::shift_right) {
    if (static_cast<U>(b) >= static_cast<U>(width)) return std::nullopt;
    return bits_of(op == Op::shift_left ? static_cast<T>(static_cast<U>(a) << b) : static_cast<T>(a >> b));
  }
  if (op != Op::div && op != Op::mod) return number_result(op, a, b);
  if (b == 0 || (std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1)))
    return std::nullopt;
  if (op == Op::div) return bits_of(static_cast<T>(a / b));
  return a < T{0} || b < T{0} ? std::nullopt : std::optional(bits_of(static_cast<T>(a % b)));
}

template <class T>
std::optional<Bits> float_result(Op op, T a, T b, T c) {
  if (op == Op::div) return bits_of(a / b);
  if (op == Op::fma) return bits_of(std::fma(a, b, c));
  if (op == Op::sqrt) return bits_of(std::sqrt(a));
  if (op == Op::floor) return bits_of(std::floor(a));
  if (op == Op::round) return bits_of(std::nearbyint(a));
  return number_result(op, a, b);
}

std::optional<Bits> boolean_result(Op op, bool a, bool b) {
  if (op == Op::logical_and) return a && b;
  if (op == Op::logical_or) return a || b;
  if (op == Op::logical_not) return !a;
  if (op == Op::eq) return a == b;
  if (op == Op::ne) return a != b;
  return std::nullopt;
}

template <class From, class To>
std::optional<Bits> converted(From a) {
  if constexpr (std::is_same_v<To, bool>) return bits_of(a != From{});
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
    const double whole = std::trunc(static_cast<double>(a));
    const double limit = std::ldexp(1.0, std::numeric_limits<To>::digits);
    if (!(whole < limit && whole >= (std::is_signed_v<To> ? -limit : 0.0))) return std::nullopt;
  }
  if constexpr (!std::is_same_v<To, bool>) return bits_of(static_cast<To>(a));
}

/// Nothing where a device of that flavour would not give the exact sum.
std::optional<Bits> dot4_of(bool is_signed, Dot4 flavour, std::uint32_t a, std::uint32_t b, std::int32_t sum) {
  std::int32_t product[4];
  for (int j = 0; j < 4; ++j) {
    const auto x = static_cast<std::uint8_t>(a >> (8 * j));
    const auto y = static_cast<std::int8_t>(static_cast<std::uint8_t>(b >> (8 * j)));
    if (flavour == Dot4::us_sat16 && is_signed && y == -128) return std::nullopt;
    product[j] = (is_signed ? static_cast<std::int8_t>(x) : static_cast<std::int32_t>(x)) * y;
  }
  const std::int32_t low = product[0] + product[1], high = product[2] + product[3];
  const auto fits = [](std::int32_t pair) { return pair == static_cast<std::int16_t>(pair); };
  if (flavour == Dot4::us_sat16 && !(fits(low) && fits(high))) return std::nullopt;
  return number_result(Op::add, sum, low + high);
}

/// Of each pair the high product first, as Intel's and AMD's instructions do. Products of two bf16 are exact in f32.
float bf16_dot_of(std::uint32_t a, std::uint32_t b, float sum) {
  const auto high = [](std::uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); };
  sum += high(a) * high(b);
  return sum + high(a << 16) * high(b << 16);
}

}  // namespace

Bits constant_bits(const Node& n) {
  if (n.type.kind == Kind::f32) return bits_of(static_cast<float>(n.number));
  if (n.type.kind == Kind::f64) return bits_of(n.number);
  return info(n.type.kind).bytes == 8 ? static_cast<Bits>(n.integer) : static_cast<std::uint32_t>(n.integer);
}

std::optional<Bits> compute(const Node& node, Kind kind, Dot4 dot4, std::span<const Bits> args) {
  if (node.op == Op::select) return args[0] != 0 ? args[1] : args[2];
  if (node.op == Op::bitcast) return args[0];
  if (node.op == Op::bf16_pair)
    return float_to_bfloat(as<float>(args[0])) | Bits{float_to_bfloat(as<float>(args[1]))} << 16;
  if (node.op == Op::bf16_dot)
    return bits_of(bf16_dot_of(as<std::uint32_t>(args[0]), as<std::uint32_t>(args[1]), as<float>(args[2])));
  if (node.op == Op::dot4 || node.op == Op::dot4_us)
    return dot4_of(node.op == Op::dot4, dot4, as<std::uint32_t>(args[0]), as<std::uint32_t>(args[1]),
                   as<std::int32_t>(args[2]));
  return with_type(kind, [&](auto type) -> std::optional<Bits> {
    using T = decltype(type);
    const T a = as<T>(args[0]), b = args.size() > 1 ? as<T>(args[1]) : T{}, c = args.size() > 2 ? as<T>(args[2]) : T{};
    if (node.op == Op::convert)
      return with_type(node.type.kind, [&](auto to) { return converted<T, decltype(to)>(a); });
    if constexpr (std::is_same_v<T, bool>) return boolean_result(node.op, a, b);
    if constexpr (std::is_floating_point_v<T>) return float_result(node.op, a, b, c);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return integer_result(node.op, a, b);
  });
}

Bits load_bits(Kind memory, const std::byte* at) {
  std::uint64_t raw = 0;
  std::memcpy(&raw, at, static_cast<std::size_t>(info(memory).bytes));  // little-endian, as all our targets
  if (memory == Kind::b1) return raw != 0;
  if (memory == Kind::f16) return bits_of(half_to_float(static_cast<std::uint16_t>(raw)));
  if (memory == Kind::bf16) return bits_of(bfloat_to_float(static_cast<std::uint16_t>(raw)));
  if (memory == Kind::i8) return bits_of(static_cast<std::int32_t>(static_cast<std::int8_t>(raw)));
  if (memory == Kind::i16) return bits_of(static_cast<std::int32_t>(static_cast<std::int16_t>(raw)));
  return raw;
}

void store_bits(Kind memory, std::byte* at, Bits value) {
  std::uint64_t raw = value;
  if (memory == Kind::f16) raw = float_to_half(as<float>(value));
  if (memory == Kind::bf16) raw = float_to_bfloat(as<float>(value));
  std::memcpy(at, &raw, static_cast<std::size_t>(info(memory).bytes));
}

}  // namespace openinfer::kir
