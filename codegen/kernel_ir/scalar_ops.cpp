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

/// f as a Scalar on values of T. It captures nothing and takes as many operands as it needs.
template <class T, class F>
Scalar on(F) {
  return [](Bits a, Bits b, Bits c) -> std::optional<Bits> {
    const auto result = [&] {
      if constexpr (std::is_invocable_v<F, T>)
        return F{}(as<T>(a));
      else if constexpr (std::is_invocable_v<F, T, T>)
        return F{}(as<T>(a), as<T>(b));
      else
        return F{}(as<T>(a), as<T>(b), as<T>(c));
    }();
    if constexpr (requires { result.has_value(); })
      return result ? std::optional(bits_of(*result)) : std::nullopt;
    else
      return bits_of(result);
  };
}

std::optional<Bits> undefined(Bits, Bits, Bits) { return std::nullopt; }

template <class T>
using Unsigned = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

template <class T>
Scalar number_op(Op op) {
  using U = Unsigned<T>;  // integers wrap
  if (op == Op::add) return on<T>([](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
  if (op == Op::sub) return on<T>([](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
  if (op == Op::mul) return on<T>([](T a, T b) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); });
  if (op == Op::min) return on<T>([](T a, T b) { return a < b ? a : b; });
  if (op == Op::max) return on<T>([](T a, T b) { return a > b ? a : b; });
  if (op == Op::eq) return on<T>([](T a, T b) { return a == b; });
  if (op == Op::ne) return on<T>([](T a, T b) { return a != b; });
  if (op == Op::lt) return on<T>([](T a, T b) { return a < b; });
  if (op == Op::le) return on<T>([](T a, T b) { return a <= b; });
  return undefined;
}

template <class T>
Scalar integer_op(Op op) {
  using U = Unsigned<T>;
  static constexpr U kWidth = 8 * sizeof(T);
  if (op == Op::neg) return on<T>([](T a) { return static_cast<T>(U{0} - static_cast<U>(a)); });
  if (op == Op::abs) return on<T>([](T a) { return a < T{0} ? static_cast<T>(U{0} - static_cast<U>(a)) : a; });
  if (op == Op::bit_and) return on<T>([](T a, T b) { return static_cast<T>(a & b); });
  if (op == Op::bit_or) return on<T>([](T a, T b) { return static_cast<T>(a | b); });
  if (op == Op::bit_xor) return on<T>([](T a, T b) { return static_cast<T>(a ^ b); });
  if (op == Op::bit_not) return on<T>([](T a) { return static_cast<T>(~a); });
  if (op == Op::shift_left)
    return on<T>([](T a, T b) {
      return static_cast<U>(b) < kWidth ? std::optional(static_cast<T>(static_cast<U>(a) << b)) : std::nullopt;
    });
  if (op == Op::shift_right)
    return on<T>(
        [](T a, T b) { return static_cast<U>(b) < kWidth ? std::optional(static_cast<T>(a >> b)) : std::nullopt; });
  static constexpr auto kOverflows = [](T a, T b) {
    return std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1);
  };
  if (op == Op::div)
    return on<T>(
        [](T a, T b) { return b == 0 || kOverflows(a, b) ? std::nullopt : std::optional(static_cast<T>(a / b)); });
  if (op == Op::mod)
    return on<T>([](T a, T b) { return a < T{0} || b <= T{0} ? std::nullopt : std::optional(static_cast<T>(a % b)); });
  return number_op<T>(op);
}

template <class T>
Scalar float_op(Op op) {
  if (op == Op::neg) return on<T>([](T a) { return -a; });
  if (op == Op::abs) return on<T>([](T a) { return std::fabs(a); });
  if (op == Op::div) return on<T>([](T a, T b) { return a / b; });
  if (op == Op::fma) return on<T>([](T a, T b, T c) { return std::fma(a, b, c); });
  if (op == Op::sqrt) return on<T>([](T a) { return std::sqrt(a); });
  if (op == Op::floor) return on<T>([](T a) { return std::floor(a); });
  if (op == Op::round) return on<T>([](T a) { return std::nearbyint(a); });
  return number_op<T>(op);
}

Scalar boolean_op(Op op) {
  if (op == Op::logical_and) return on<bool>([](bool a, bool b) { return a && b; });
  if (op == Op::logical_or) return on<bool>([](bool a, bool b) { return a || b; });
  if (op == Op::logical_not) return on<bool>([](bool a) { return !a; });
  if (op == Op::eq) return on<bool>([](bool a, bool b) { return a == b; });
  if (op == Op::ne) return on<bool>([](bool a, bool b) { return a != b; });
  return undefined;
}

template <class From, class To>
std::optional<To> converted(From a) {
  if constexpr (std::is_same_v<To, bool>) return a != From{};
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
    const double whole = std::trunc(static_cast<double>(a));
    const double limit = std::ldexp(1.0, std::numeric_limits<To>::digits);
    if (!(whole < limit && whole >= (std::is_signed_v<To> ? -limit : 0.0))) return std::nullopt;
  }
  if constexpr (!std::is_same_v<To, bool>) return static_cast<To>(a);
}

/// Nothing where a device of that flavour would not give the exact sum.
template <bool is_signed, Dot4 flavour>
std::optional<Bits> dot4_of(Bits a_bits, Bits b_bits, Bits sum) {
  const auto a = as<std::uint32_t>(a_bits), b = as<std::uint32_t>(b_bits);
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
  return as<std::uint32_t>(sum) + static_cast<std::uint32_t>(low + high);  // wraps
}

/// Nothing where a sum does not fit its half.
std::optional<Bits> pair_dots_of(Bits a_bits, Bits b_bits, Bits sum_bits) {
  const auto a = as<std::uint32_t>(a_bits), b = as<std::uint32_t>(b_bits), sum = as<std::uint32_t>(sum_bits);
  std::uint32_t all = 0;
  for (int shift = 0; shift < 32; shift += 16) {
    std::int32_t half = static_cast<std::int16_t>(sum >> shift);
    for (const int byte : {shift, shift + 8})
      half += static_cast<std::uint8_t>(a >> byte) * static_cast<std::int8_t>(b >> byte);
    if (half != static_cast<std::int16_t>(half)) return std::nullopt;
    all |= static_cast<std::uint32_t>(static_cast<std::uint16_t>(half)) << shift;
  }
  return all;
}
std::optional<Bits> pair_sum_of(Bits bits, Bits, Bits) {
  const auto sums = as<std::uint32_t>(bits);
  return static_cast<std::uint32_t>(static_cast<std::int16_t>(sums) + static_cast<std::int16_t>(sums >> 16));
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

Scalar scalar_of(const Node& node, Kind kind, Dot4 dot4) {
  if (node.op == Op::select) return [](Bits a, Bits b, Bits c) { return std::optional(a != 0 ? b : c); };
  if (node.op == Op::bitcast) return [](Bits a, Bits, Bits) { return std::optional(a); };
  if (node.op == Op::bf16_pair)
    return on<float>([](float a, float b) { return float_to_bfloat(a) | std::uint32_t{float_to_bfloat(b)} << 16; });
  if (node.op == Op::bf16_dot)
    return [](Bits a, Bits b, Bits sum) {
      return std::optional(bits_of(bf16_dot_of(as<std::uint32_t>(a), as<std::uint32_t>(b), as<float>(sum))));
    };
  const bool saturates = dot4 == Dot4::us_sat16;
  if (node.op == Op::dot4) return saturates ? dot4_of<true, Dot4::us_sat16> : dot4_of<true, Dot4::none>;
  if (node.op == Op::dot4_us) return saturates ? dot4_of<false, Dot4::us_sat16> : dot4_of<false, Dot4::none>;
  if (node.op == Op::pair_dots_us) return pair_dots_of;
  if (node.op == Op::pair_sum) return pair_sum_of;
  return with_type(kind, [&](auto type) -> Scalar {
    using T = decltype(type);
    if (node.op == Op::convert)
      return with_type(node.type.kind,
                       [](auto to) { return on<T>([](T a) { return converted<T, decltype(to)>(a); }); });
    if constexpr (std::is_same_v<T, bool>) return boolean_op(node.op);
    if constexpr (std::is_floating_point_v<T>) return float_op<T>(node.op);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return integer_op<T>(node.op);
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
