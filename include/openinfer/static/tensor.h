// SPDX-License-Identifier: Apache-2.0
// Values whose dtype and shape are in their type: Tensor<f16, "B", 576>. A shape that does not fit is then an error of
// the compiler, at the user's line, before any package is opened. What is built is the same graph; a typed tensor is a
// Value, and goes wherever one goes.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "openinfer/error.h"
#include "openinfer/graph.h"
#include "openinfer/ops.h"

namespace openinfer::typed {

/// A number, or the name of a dimension that GraphBuilder::dim declared: at most 23 characters.
struct Extent {
  template <std::integral T>
  constexpr Extent(T number) : number(static_cast<std::int64_t>(number)) {}
  template <std::size_t N>
  constexpr Extent(const char (&text)[N]) {
    static_assert(N <= 24, "[dim] a dimension's name in a type has at most 23 characters");
    for (std::size_t i = 0; i < N; ++i) name[i] = text[i];
  }
  constexpr bool operator==(const Extent&) const = default;
  constexpr bool is_symbol() const { return name[0] != '\0'; }
  Dim dim() const { return is_symbol() ? Dim::symbol(name) : Dim(number); }

  std::int64_t number = 0;  // public, as the language wants it of what stands in a type
  char name[24] = {};
};

/// Dims in a type's argument list, to take apart and put together.
template <Extent... E>
struct Dims {
  static constexpr std::size_t rank = sizeof...(E);
  static constexpr std::array<Extent, sizeof...(E)> values = {E...};
  static Shape shape() { return {E.dim()...}; }
};

namespace detail {

/// Done, the first of the rest but the last one, and instead of that Instead.
template <Extent Instead, class Done, class Rest>
struct ReplaceLast;
template <Extent Instead, Extent... Done, Extent Old>
struct ReplaceLast<Instead, Dims<Done...>, Dims<Old>> {
  using type = Dims<Done..., Instead>;
};
template <Extent Instead, Extent... Done, Extent First, Extent Second, Extent... More>
struct ReplaceLast<Instead, Dims<Done...>, Dims<First, Second, More...>>
    : ReplaceLast<Instead, Dims<Done..., First>, Dims<Second, More...>> {};

/// Does a tensor of shape From stand for one of shape To, its leading dimensions and those of 1 repeated?
template <class From, class To>
constexpr bool repeats_to() {
  if (From::rank > To::rank) return false;
  for (std::size_t i = 0; i < From::rank; ++i) {
    const Extent from = From::values[From::rank - 1 - i];
    if (from != To::values[To::rank - 1 - i] && from != Extent(1)) return false;
  }
  return true;
}

// Extents as every compiler prints them in its messages: number<576>, name<'N'>, shape<name<'N'>, number<576>>.
template <std::int64_t N>
struct number;
template <char... Letters>
struct name;
template <class... E>
struct shape;

constexpr std::size_t length(const Extent& extent) {
  std::size_t n = 0;
  while (extent.name[n] != '\0') ++n;
  return n;
}
template <Extent E, class Letters = std::make_index_sequence<length(E)>>
struct Shown;
template <Extent E>
struct Shown<E, std::index_sequence<>> {
  using type = number<E.number>;
};
template <Extent E, std::size_t First, std::size_t... More>
struct Shown<E, std::index_sequence<First, More...>> {
  using type = name<E.name[First], E.name[More]...>;
};
template <Extent E>
using shown = typename Shown<E>::type;

/// The last of a shape. (Of a static member g++ 12 cannot make the argument of `shown`.)
template <Extent... E>
struct Last {
  static_assert(sizeof...(E) > 0, "[shape] a scalar has no last dimension");
};
template <Extent E>
struct Last<E> {
  using type = shown<E>;
};
template <Extent First, Extent Second, Extent... More>
struct Last<First, Second, More...> : Last<Second, More...> {};
template <Extent... E>
using last = typename Last<E...>::type;

constexpr bool is_floating(DType dtype) { return dtype == f64 || dtype == f32 || dtype == f16 || dtype == bf16; }

/// Errors: dtype_mismatch, shape_mismatch with both types.
inline const Value& held_to(const TensorType& wanted, const Value& value, At at) {
  const TensorType found = value.type(at);
  if (found == wanted) return value;
  throw Error(found.dtype == wanted.dtype ? ErrorCode::shape_mismatch : ErrorCode::dtype_mismatch,
              "[typed] the value is " + found.to_string() + ", its type in C++ says " + wanted.to_string(), at);
}

}  // namespace detail

template <DType D, Extent... E>
class Tensor;

/// A tensor of the package of that shape, whatever format its rows are stored in.
template <Extent... E>
class Weights : public Value {
 public:
  using Shape = Dims<E...>;
  /// Errors: shape_mismatch.
  explicit Weights(const Value& value, At at = {})
      : Value(detail::held_to({value.dtype(at), Shape::shape()}, value, at)) {}
};

namespace detail {

// What the right operand of an operator must be; the compiler's message names the operator and both shapes.
template <bool dtypes_are_equal, bool right_repeats_to_left, class right, class left>
struct add {
  static_assert(dtypes_are_equal, "[add] the operands' dtypes differ: cast one of them");
  static_assert(right_repeats_to_left, "[add] the right shape does not repeat to the left one");
  static constexpr bool fits = true;
};
template <bool dtypes_are_equal, bool right_repeats_to_left, class right, class left>
struct sub {
  static_assert(dtypes_are_equal, "[sub] the operands' dtypes differ: cast one of them");
  static_assert(right_repeats_to_left, "[sub] the right shape does not repeat to the left one");
  static constexpr bool fits = true;
};
template <bool dtypes_are_equal, bool right_repeats_to_left, class right, class left>
struct mul {
  static_assert(dtypes_are_equal, "[mul] the operands' dtypes differ: cast one of them");
  static_assert(right_repeats_to_left, "[mul] the right shape does not repeat to the left one");
  static constexpr bool fits = true;
};
template <bool dtypes_are_equal, bool right_repeats_to_left, class right, class left>
struct div {
  static_assert(dtypes_are_equal, "[div] the operands' dtypes differ: cast one of them");
  static_assert(right_repeats_to_left, "[div] the right shape does not repeat to the left one");
  static constexpr bool fits = true;
};

/// An operand beside a tensor of that type, left of the operator Op, and the line it was written on.
template <template <bool, bool, class, class> class Op, DType D, Extent... E>
struct Beside {
  template <DType DR, Extent... R>
  Beside(const Tensor<DR, R...>& right, At at = {}) : value(right, at), at(at) {
    static_assert(Op<DR == D, repeats_to<Dims<R...>, Dims<E...>>(), shape<shown<R>...>, shape<shown<E>...>>::fits);
  }
  template <class T>
  requires std::is_arithmetic_v<T> Beside(T number, At at = {}) : value(number, at), at(at) {}
  In value;
  Location at;
};

}  // namespace detail

/// A value of that dtype and shape. Operators: with a tensor on the right that has the same dtype and the same shape,
/// or one that repeats to it (leading dimensions missing, or 1), or with a number on the right.
template <DType D, Extent... E>
class Tensor : public Value {
 public:
  using Shape = Dims<E...>;
  static constexpr DType kDType = D;

  /// From an untyped one. Errors: dtype_mismatch, shape_mismatch with both types.
  explicit Tensor(const Value& value, At at = {}) : Value(detail::held_to({D, Shape::shape()}, value, at)) {}

  friend Tensor operator+(const Tensor& a, const detail::Beside<detail::add, D, E...>& b) {
    return Tensor(openinfer::add(In(a, b.at), b.value), b.at);
  }
  friend Tensor operator-(const Tensor& a, const detail::Beside<detail::sub, D, E...>& b) {
    return Tensor(openinfer::sub(In(a, b.at), b.value), b.at);
  }
  friend Tensor operator*(const Tensor& a, const detail::Beside<detail::mul, D, E...>& b) {
    return Tensor(openinfer::mul(In(a, b.at), b.value), b.at);
  }
  friend Tensor operator/(const Tensor& a, const detail::Beside<detail::div, D, E...>& b) {
    return Tensor(openinfer::div(In(a, b.at), b.value), b.at);
  }
  friend Tensor operator%(const Tensor& x, const Hinted& hint) {
    return Tensor(static_cast<const Value&>(x) % hint, hint.at);
  }
};

}  // namespace openinfer::typed
