// SPDX-License-Identifier: Apache-2.0
// The operators that matter on values with a shape in their type. Formulas, dtypes and what is found when a graph is
// built stand in openinfer/ops.h; here shapes are compared by the compiler, and each function adds the node that its
// namesake adds. Where one is missing, the untyped one takes a Tensor too, and `Tensor<f32, "N", 576>(value)` types
// what it gives.
#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include "openinfer/ops.h"
#include "openinfer/static/tensor.h"

namespace openinfer::typed {

namespace detail {

// What an operator needs of its operands' types; the compiler's message names the operator and what differs.
template <class lhs_K, class rhs_K>
struct matmul {
  static_assert(std::is_same_v<lhs_K, rhs_K>, "[matmul] K differs: lhs's last dimension is not rhs's first");
  static constexpr bool fits = true;
};
template <class x_D, class w_D>
struct rms_norm {
  static_assert(std::is_same_v<x_D, w_D>, "[rms_norm] w is not (D): x's last dimension is not w's");
  static constexpr bool fits = true;
};
template <class x_N, class pos_N>
struct rope {
  static_assert(std::is_same_v<x_N, pos_N>, "[rope] pos is not (N): x's first dimension is not pos's");
  static constexpr bool fits = true;
};
template <Extent q_width, Extent heads, Extent head_dim>
struct sdpa {
  static_assert(!q_width.is_symbol() && !heads.is_symbol() && !head_dim.is_symbol(),
                "[sdpa] heads and head_dim are numbers");
  static_assert(q_width.number % head_dim.number == 0, "[sdpa] q's width is no multiple of head_dim");
  static_assert(q_width.number / head_dim.number % heads.number == 0,
                "[sdpa] the number of q's heads is no multiple of the number of key heads");
  static constexpr bool fits = true;
};
template <Extent width, Extent heads, Extent head_dim>
struct kv_write {
  static_assert(width == Extent(heads.number * head_dim.number), "[kv_write] the row's width is not heads · head_dim");
  static constexpr bool fits = true;
};
template <bool sizes_are_equal, class from, class to>
struct reshape {
  static_assert(sizes_are_equal, "[reshape] the shapes have different sizes");
  static constexpr bool fits = true;
};
/// Equal numbers, and the same symbols, each as often.
template <class From, class To>
constexpr bool same_size() {
  std::int64_t from = 1, to = 1;
  for (const Extent& e : From::values) from *= e.is_symbol() ? 1 : e.number;
  for (const Extent& e : To::values) to *= e.is_symbol() ? 1 : e.number;
  const auto count = [](const auto& values, const Extent& symbol) {
    int n = 0;
    for (const Extent& e : values) n += e == symbol;
    return n;
  };
  const auto as_often = [&](const Extent& e) {
    return !e.is_symbol() || count(From::values, e) == count(To::values, e);
  };
  bool same = from == to;
  for (const Extent& e : From::values) same = same && as_often(e);
  for (const Extent& e : To::values) same = same && as_often(e);
  return same;
}
template <class Given, class Returned>
struct loop {
  static_assert(std::is_same_v<Given, Returned>, "[loop] the body returns another type than it was given");
  static constexpr bool fits = true;
};
template <DType D>
struct floats {
  static_assert(is_floating(D), "[silu] [softmax] [rms_norm] [rope] [sdpa] [matmul] take f64, f32, f16 or bf16");
  static constexpr bool fits = true;
};

}  // namespace detail

/// An input of the graph. Its symbols are declared before: b.dim("N", 1, 512).
template <DType D, Extent... E>
Tensor<D, E...> input(GraphBuilder& b, std::string_view name, At at = {}) {
  return Tensor<D, E...>(b.input(name, D, Dims<E...>::shape(), at), at);
}

/// A tensor of the package, or a family of them: weights<576, 1536>(b, model("Wup.{}", l)).
/// Errors: shape_mismatch; those of GraphBuilder::value.
template <Extent... E>
Weights<E...> weights(GraphBuilder& b, const Weight& weight, At at = {}) {
  return Weights<E...>(b.value(In(weight, at)), at);
}

template <DType To, DType D, Extent... E>
Tensor<To, E...> cast(const Tensor<D, E...>& x, At at = {}) {
  return Tensor<To, E...>(openinfer::cast(In(x, at), To), at);
}

/// Rows by their numbers: (V, R…), (J…) → (J…, R…). Of a stored table in dtype D, whatever its format.
template <DType D, Extent V, Extent... R, DType I, Extent... J>
Tensor<D, J..., R...> gather(const Weights<V, R...>& table, const Tensor<I, J...>& ids, At at = {}) {
  static_assert(I == i32 || I == i64, "[gather] ids are i32 or i64");
  return Tensor<D, J..., R...>(openinfer::cast(In(openinfer::gather(In(table, at), In(ids, at)), at), D), at);
}
template <DType D, Extent V, Extent... R, DType I, Extent... J>
Tensor<D, J..., R...> gather(const Tensor<D, V, R...>& table, const Tensor<I, J...>& ids, At at = {}) {
  static_assert(I == i32 || I == i64, "[gather] ids are i32 or i64");
  return Tensor<D, J..., R...>(openinfer::gather(In(table, at), In(ids, at)), at);
}

namespace detail {
template <DType D, class Shape>
struct Of;
template <DType D, Extent... E>
struct Of<D, Dims<E...>> {
  using type = Tensor<D, E...>;
};
/// x's type with N instead of its last dimension.
template <DType D, class Shape, Extent N>
using product = typename Of<D, typename ReplaceLast<N, Dims<>, Shape>::type>::type;
}  // namespace detail

/// (…, K) · (K, N) → (…, N).
template <DType D, Extent... E, Extent K, Extent N>
auto matmul(const Tensor<D, E...>& x, const Weights<K, N>& w, At at = {}) {
  static_assert(detail::floats<D>::fits && detail::matmul<detail::last<E...>, detail::shown<K>>::fits);
  return detail::product<D, Dims<E...>, N>(openinfer::matmul(In(x, at), In(w, at)), at);
}
template <DType D, Extent... E, DType DW, Extent K, Extent N>
auto matmul(const Tensor<D, E...>& x, const Tensor<DW, K, N>& w, At at = {}) {
  static_assert(detail::floats<D>::fits && detail::matmul<detail::last<E...>, detail::shown<K>>::fits);
  return detail::product<D, Dims<E...>, N>(openinfer::matmul(In(x, at), In(w, at)), at);
}

template <DType D, Extent... E, Extent W>
Tensor<D, E...> rms_norm(const Tensor<D, E...>& x, const Weights<W>& w, double eps = 1e-5, At at = {}) {
  static_assert(detail::floats<D>::fits && detail::rms_norm<detail::last<E...>, detail::shown<W>>::fits);
  return Tensor<D, E...>(openinfer::rms_norm(In(x, at), In(w, at), eps), at);
}

/// x (N, H·head_dim) or (N, H, head_dim), pos (N).
template <DType D, Extent N, Extent... E, Extent P>
Tensor<D, N, E...> rope(const Tensor<D, N, E...>& x, const Tensor<i32, P>& pos, Rope options, At at = {}) {
  static_assert(detail::floats<D>::fits && detail::rope<detail::shown<N>, detail::shown<P>>::fits);
  return Tensor<D, N, E...>(openinfer::rope(In(x, at), In(pos, at), std::move(options)), at);
}

template <DType D, Extent... E>
Tensor<D, E...> silu(const Tensor<D, E...>& x, At at = {}) {
  static_assert(detail::floats<D>::fits);
  return Tensor<D, E...>(openinfer::silu(In(x, at)), at);
}

template <DType D, Extent... E>
Tensor<D, E...> softmax(const Tensor<D, E...>& x, std::int64_t axis = -1, At at = {}) {
  static_assert(detail::floats<D>::fits);
  return Tensor<D, E...>(openinfer::softmax(In(x, at), axis), at);
}

template <Extent... To, DType D, Extent... E>
Tensor<D, To...> reshape(const Tensor<D, E...>& x, At at = {}) {
  static_assert(detail::reshape<detail::same_size<Dims<E...>, Dims<To...>>(), detail::shape<detail::shown<E>...>,
                                detail::shape<detail::shown<To>...>>::fits);
  return Tensor<D, To...>(openinfer::reshape(In(x, at), Dims<To...>::shape()), at);
}

/// A cache of keys and values: (slots, heads, capacity, head_dim) of each layer.
template <DType D, Extent Slots, Extent Heads, Extent Capacity, Extent HeadDim>
struct Cache {
  State state;
};
template <DType D, Extent Slots, Extent Heads, Extent Capacity, Extent HeadDim>
Cache<D, Slots, Heads, Capacity, HeadDim> cache(GraphBuilder& b, std::string_view name, Dim layers, At at = {}) {
  return {b.state(name,
                  kv_cache({.layers = layers,
                            .slots = Slots.dim(),
                            .capacity = Capacity.dim(),
                            .heads = Heads.dim(),
                            .head_dim = HeadDim.dim(),
                            .dtype = D}),
                  at)};
}

/// k, v (N, heads · head_dim).
template <DType D, Extent S, Extent H, Extent C, Extent Dh, DType DX, Extent N, Extent W>
void kv_write(const Cache<D, S, H, C, Dh>& kv, const KvAt& where, const Tensor<DX, N, W>& k, const Tensor<DX, N, W>& v,
              At at = {}) {
  static_assert(detail::kv_write<W, H, Dh>::fits);
  openinfer::kv_write(kv.state, where, In(k, at), In(v, at));
}
template <DType D, Extent S, Extent H, Extent C, Extent Dh>
std::tuple<Tensor<D, S, H, C, Dh>, Tensor<D, S, H, C, Dh>> kv_read(const Cache<D, S, H, C, Dh>& kv,
                                                                   const KvLayer& where, At at = {}) {
  using Part = Tensor<D, S, H, C, Dh>;
  const auto [k, v] = openinfer::kv_read(kv.state, where);
  return {Part(k, at), Part(v, at)};
}

/// Over a cache: q (N, H·head_dim), k and v as kv_read gives them → (N, H·head_dim).
template <DType D, Extent N, Extent W, DType DK, Extent S, Extent H, Extent C, Extent Dh>
Tensor<D, N, W> sdpa(const Tensor<D, N, W>& q, const Tensor<DK, S, H, C, Dh>& k, const Tensor<DK, S, H, C, Dh>& v,
                     Attention options = {}, At at = {}) {
  static_assert(detail::floats<D>::fits && detail::sdpa<W, H, Dh>::fits);
  return Tensor<D, N, W>(openinfer::sdpa(In(q, at), In(k, at), In(v, at), std::move(options)), at);
}

/// GraphBuilder::loop with one carried value: the body takes and returns a tensor of x's type.
template <DType D, Extent... E, class Body>
Tensor<D, E...> loop(GraphBuilder& b, std::string_view name, std::int64_t from, std::int64_t to,
                     const Tensor<D, E...>& x, const Body& body, At at = {}) {
  using X = Tensor<D, E...>;
  static_assert(detail::loop<X, std::invoke_result_t<Body, Index, X>>::fits);
  return X(b.loop(
               name, from, to, In(x, at), [&](Index i, const Value& v) { return Value(body(i, X(v, at))); }, at),
           at);
}

}  // namespace openinfer::typed
