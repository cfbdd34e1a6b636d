// SPDX-License-Identifier: Apache-2.0
// Operators whose result[i] depends on operands[i] alone, from one generic lambda: it is instantiated for float,
// double, Wrapping integers and bool, which is the reference, and for ScalarExpr, which is how code generators see it.
// Functions it calls come unqualified behind `using std::exp;`. Integers of 8 and 16 bits are computed in 32 by
// generated code and wrap only in the end: a lambda must not look at a sum or product of integers before that.
#pragma once

#include <array>

#include "lib/ops/dtypes.h"
#include "lib/ops/shapes.h"
#include "lib/ops/walk.h"
#include "openinfer/op_def.h"

namespace openinfer {

struct Spelling {
  std::string_view symbol = {};
  bool commutative = false;
};

namespace elementwise {

template <std::size_t kOperands>
std::array<Extents, kOperands> shapes_in(const OpRun& run) {
  std::array<Extents, kOperands> shapes;
  for (std::size_t i = 0; i < kOperands; ++i) shapes[i] = run.in(i).shape;
  return shapes;
}

/// Operand k of a run: a pointer that moves or a value that stays, so that each combination is a loop of its own.
template <class T>
struct Moving {
  const T* at;
  ComputeOf<T> operator[](std::int64_t k) const { return Element<T>::load(at[k]); }
};
template <class T>
struct Standing {
  ComputeOf<T> value;
  ComputeOf<T> operator[](std::int64_t) const { return value; }
};
template <class T, class G>
void with_operand(const T* data, const Run& r, std::size_t i, G g) {
  if (r.moves[i])
    g(Moving<T>{data + r.start[i]});
  else
    g(Standing<T>{Element<T>::load(data[r.start[i]])});
}

/// Computes one run. f(a[k], b[k]) returns bool for comparisons, the compute type of T otherwise.
template <class T, class R, class F>
void unary_run(R* out, const Run& r, const T* a) {
  for (std::int64_t k = 0; k < r.count; ++k)
    out[r.out + k] = Element<R>::store(F{}(Element<T>::load(a[r.start[0] + (r.moves[0] ? k : 0)])));
}
template <class T, class R, class F>
void binary_run(R* out, const Run& r, const T* a, const T* b) {
  with_operand(a, r, 0, [&](auto x) {
    with_operand(b, r, 1, [&](auto y) {
      for (std::int64_t k = 0; k < r.count; ++k) out[r.out + k] = Element<R>::store(F{}(x[k], y[k]));
    });
  });
}
template <class C, class T, class F>
void ternary_run(T* out, const Run& r, const C* a, const T* b, const T* c) {
  with_operand(a, r, 0, [&](auto x) {
    with_operand(b, r, 1, [&](auto y) {
      with_operand(c, r, 2, [&](auto z) {
        for (std::int64_t k = 0; k < r.count; ++k) out[r.out + k] = Element<T>::store(F{}(x[k], y[k], z[k]));
      });
    });
  });
}

template <DTypeSet kSet, class F>
void reference_unary(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan out = run.out(0);
  dispatch<kSet>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for_each_run(run, out.shape, shapes_in<1>(run),
                 [&](const Run& r) { unary_run<T, T, F>(out.as<T>(), r, x.as<T>()); });
  });
}

template <DTypeSet kSet, class F>
void reference_predicate(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan out = run.out(0);
  dispatch<kSet>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for_each_run(run, out.shape, shapes_in<1>(run),
                 [&](const Run& r) { unary_run<T, Byte01, F>(out.as<Byte01>(), r, x.as<T>()); });
  });
}

template <DTypeSet kSet, class F>
void reference_binary(OpRun& run) {
  const TensorView a = run.in(0), b = run.in(1);
  const TensorSpan out = run.out(0);
  dispatch<kSet>(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    using Result = decltype(F{}(ComputeOf<T>{}, ComputeOf<T>{}));
    using R = std::conditional_t<std::is_same_v<Result, bool>, Byte01, T>;
    for_each_run(run, out.shape, shapes_in<2>(run),
                 [&](const Run& r) { binary_run<T, R, F>(out.as<R>(), r, a.as<T>(), b.as<T>()); });
  });
}

/// kCondition: the first operand is bool whatever the others are.
template <DTypeSet kSet, bool kCondition, class F>
void reference_ternary(OpRun& run) {
  const TensorView a = run.in(0), b = run.in(1), c = run.in(2);
  const TensorSpan out = run.out(0);
  dispatch<kSet>(b.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    using C = std::conditional_t<kCondition, Byte01, T>;
    for_each_run(run, out.shape, shapes_in<3>(run),
                 [&](const Run& r) { ternary_run<C, T, F>(out.as<T>(), r, a.as<C>(), b.as<T>(), c.as<T>()); });
  });
}

template <DTypeSet kSet>
std::vector<TensorType> infer_unary(const InferContext& c) {
  check_dtype(c, 0, kSet);  // [C1]
  return {c.type(0)};
}
template <DTypeSet kSet>
std::vector<TensorType> infer_predicate(const InferContext& c) {
  check_dtype(c, 0, kSet);  // [C1]
  return {{DType::boolean, c.type(0).shape}};
}
template <DTypeSet kSet, bool kComparison>
std::vector<TensorType> infer_binary(const InferContext& c) {
  check_dtype(c, 0, kSet);                    // [C1]
  check_equal_dtypes(c, 0, 1);                // [C1]
  Shape shape = broadcast_shapes(c, {0, 1});  // [C2]
  return {{kComparison ? DType::boolean : c.type(0).dtype, std::move(shape)}};
}
template <DTypeSet kSet>
std::vector<TensorType> infer_ternary(const InferContext& c) {
  check_dtype(c, 0, kSet);                       // [C1]
  check_equal_dtypes(c, 0, 1);                   // [C1]
  check_equal_dtypes(c, 0, 2);                   // [C1]
  Shape shape = broadcast_shapes(c, {0, 1, 2});  // [C2]
  return {{c.type(0).dtype, std::move(shape)}};
}

/// F on expressions; a result without a kind of its own takes that of the result's elements. Small integers wrap here,
/// so that what is fused behind sees elements; f16 and bf16 are rounded by the store alone.
template <std::size_t kOperands, class F>
Lowering lower(const InferContext& c) {
  const DType dtype = c.op().infer(c).front().dtype;
  return ScalarFn([dtype](std::span<const ScalarExpr> x) {
    ScalarExpr y;
    if constexpr (kOperands == 1) y = F{}(x[0]);
    if constexpr (kOperands == 2) y = F{}(x[0], x[1]);
    if constexpr (kOperands == 3) y = F{}(x[0], x[1], x[2]);
    return is_int(dtype) ? narrow(y, dtype) : y.as(compute_kind(dtype));
  });
}

template <std::size_t kOperands>
Cost cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
  double bytes = 0;
  const auto count = [&](const Shape& shape) {
    double n = 1;
    for (const Dim& d : shape) n *= static_cast<double>(value(d));
    return n;
  };
  for (std::size_t i = 0; i < kOperands; ++i) bytes += count(c.type(i).shape) * info(c.type(i).dtype).block_bytes;
  const TensorType result = c.op().infer(c).front();
  const double elements = count(result.shape);
  return {bytes + elements * info(result.dtype).block_bytes, elements};
}

}  // namespace elementwise

/// y[i] = f(x[i]) for the dtypes of kSet.
template <DTypeSet kSet, class F>
OpDef unary(std::string_view name, F) {
  return {.name = name,
          .operands = {{.name = "x"}},
          .traits = {.elementwise = true},
          .infer = elementwise::infer_unary<kSet>,
          .reference = elementwise::reference_unary<kSet, F>,
          .lower = elementwise::lower<1, F>,
          .cost = elementwise::cost<1>};
}
/// The same with a result of bool.
template <DTypeSet kSet, class F>
OpDef predicate(std::string_view name, F) {
  return {.name = name,
          .operands = {{.name = "x"}},
          .traits = {.elementwise = true},
          .infer = elementwise::infer_predicate<kSet>,
          .reference = elementwise::reference_predicate<kSet, F>,
          .lower = elementwise::lower<1, F>,
          .cost = elementwise::cost<1>};
}
/// y[i] = f(a[i], b[i]), broadcast.
template <DTypeSet kSet, class F>
OpDef binary(std::string_view name, F, Spelling spelling = {}) {
  return {.name = name,
          .operands = {{.name = "a"}, {.name = "b"}},
          .traits = {.elementwise = true, .commutative = spelling.commutative},
          .infer = elementwise::infer_binary<kSet, false>,
          .reference = elementwise::reference_binary<kSet, F>,
          .lower = elementwise::lower<2, F>,
          .cost = elementwise::cost<2>,
          .symbol = spelling.symbol};
}
/// The same with a result of bool.
template <DTypeSet kSet, class F>
OpDef comparison(std::string_view name, F f, Spelling spelling = {}) {
  OpDef op = binary<kSet>(name, f, spelling);
  op.infer = elementwise::infer_binary<kSet, true>;
  return op;
}
/// y[i] = f(a[i], b[i], c[i]), broadcast.
template <DTypeSet kSet, class F>
OpDef ternary(std::string_view name, F) {
  return {.name = name,
          .operands = {{.name = "a"}, {.name = "b"}, {.name = "c"}},
          .traits = {.elementwise = true},
          .infer = elementwise::infer_ternary<kSet>,
          .reference = elementwise::reference_ternary<kSet, false, F>,
          .lower = elementwise::lower<3, F>,
          .cost = elementwise::cost<3>};
}

}  // namespace openinfer
