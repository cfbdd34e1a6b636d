// SPDX-License-Identifier: Apache-2.0
#include "test_ops.h"

#include <algorithm>
#include <cstring>

namespace sim_test {
namespace {

std::vector<TensorType> as_first(const InferContext& c) { return {c.type(0)}; }

void run_plus(OpRun& r) {
  const TensorView a = r.in(0), b = r.in(1);
  const TensorSpan y = r.out(0);
  const std::int64_t step = b.shape.empty() ? 0 : 1;
  const auto add = [&](auto zero, std::int64_t begin, std::int64_t end) {
    using T = decltype(zero);
    for (std::int64_t i = begin; i < end; ++i) y.as<T>()[i] = a.as<T>()[i] + b.as<T>()[i * step];
  };
  r.parallel_for(a.count(), 4, [&](std::int64_t begin, std::int64_t end) {
    if (a.dtype == DType::f32)
      add(0.f, begin, end);
    else
      add(std::int32_t{0}, begin, end);
  });
}

std::vector<TensorType> infer_dot(const InferContext& c) {
  const Shape& x = c.type(0).shape;
  const Shape& w = c.type(1).shape;
  if (x.size() != 2 || w.size() != 2 || x[1] != w[1]) c.fail(ErrorCode::shape_mismatch, "shapes differ");
  return {{DType::f32, {x[0], w[0]}}};
}

void run_dot(OpRun& r) {
  const TensorView x = r.in(0), w = r.in(1);
  const std::int64_t n = x.shape[0], k = x.shape[1], m = w.shape[0];
  float* y = r.out(0).as<float>();
  const auto product = [&](std::int64_t i, std::int64_t j, const float* row, std::int64_t stride) {
    float sum = 0;
    for (std::int64_t l = 0; l < k; ++l) sum += x.as<float>()[i * k + l] * row[l * stride];
    y[i * m + j] = sum;
  };
  if (w.transposed) {  // stored (K, M)
    const auto* bytes = reinterpret_cast<const float*>(r.stored_rows(1, 0, k));
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < m; ++j) product(i, j, bytes + j, m);
    return;
  }
  r.parallel_for(m, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) {
      const auto* row = reinterpret_cast<const float*>(r.stored_rows(1, j, 1));
      for (std::int64_t i = 0; i < n; ++i) product(i, j, row, 1);
    }
  });
}

void run_checked(OpRun& r) {
  ++checked_runs();
  const TensorView a = r.in(0);
  const TensorSpan y = r.out(0);
  r.parallel_for(a.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (a.as<float>()[i] < 0) r.fail(ErrorCode::invalid_argument, "element " + std::to_string(i) + " is negative");
      y.as<float>()[i] = a.as<float>()[i];
    }
  });
}

std::vector<Value> one(const OpDef& op, std::vector<OptionalIn> operands, const State* state, At at) {
  ApplyTo where;
  if (state) {
    where.state = *state;
    where.draft = state->draft();
  }
  return apply(op, operands, {}, where, at);
}

}  // namespace

std::atomic<int>& checked_runs() {
  static std::atomic<int> runs{0};
  return runs;
}

const OpDef& plus_op() {
  static const OpDef def{
      .name = "plus", .operands = {{.name = "a"}, {.name = "b"}}, .infer = as_first, .reference = run_plus};
  return def;
}

const OpDef& dot_op() {
  static const OpDef def{.name = "dot",
                         .operands = {{.name = "x"}, {.name = "w", .stored = true}},
                         .infer = infer_dot,
                         .reference = run_dot};
  return def;
}

const OpDef& same_op() {
  static const OpDef def{.name = "same",
                         .operands = {{.name = "a"}},
                         .traits = {.view = true},
                         .infer = as_first,
                         .reference = [](OpRun& r) { r.set_view(0, r.in(0)); }};
  return def;
}

const OpDef& less_op() {
  static const OpDef def{.name = "less",
                         .operands = {{.name = "a"}, {.name = "b"}},
                         .infer =
                             [](const InferContext&) {
                               return std::vector<TensorType>{{DType::boolean, {}}};
                             },
                         .reference =
                             [](OpRun& r) {
                               const bool less = *r.in(0).as<std::int32_t>() < *r.in(1).as<std::int32_t>();
                               *r.out(0).as<std::uint8_t>() = less;
                             }};
  return def;
}

const OpDef& checked_op() {
  static const OpDef def{.name = "checked", .operands = {{.name = "a"}}, .infer = as_first, .reference = run_checked};
  return def;
}

const OpDef& peek_op() {
  static const OpDef def{.name = "peek",
                         .traits = {.view = true, .state = StateUse::read},
                         .infer =
                             [](const InferContext& c) {
                               return std::vector<TensorType>{{c.state().dtype, c.state().shape}};
                             },
                         .reference =
                             [](OpRun& r) {
                               const TensorSpan s = r.state()[0];
                               r.set_view(0, {s.dtype, s.shape, s.data, false});
                             }};
  return def;
}

const OpDef& poke_op() {
  static const OpDef def{.name = "poke",
                         .operands = {{.name = "value"}},
                         .traits = {.state = StateUse::write},
                         .infer = [](const InferContext&) { return std::vector<TensorType>{}; },
                         .reference =
                             [](OpRun& r) {
                               const TensorSpan s = r.state()[0];
                               std::memcpy(s.data, r.in(0).data,
                                           static_cast<std::size_t>(size_bytes(s.dtype, s.count())));
                             }};
  return def;
}

Value plus(const In& a, const In& b, At at) { return one(plus_op(), {a, b}, nullptr, at)[0]; }
Value dot(const In& x, const In& w, At at) { return one(dot_op(), {x, w}, nullptr, at)[0]; }
Value same(const In& a, At at) { return one(same_op(), {a}, nullptr, at)[0]; }
Value less(const In& a, const In& b, At at) { return one(less_op(), {a, b}, nullptr, at)[0]; }
Value checked(const In& a, At at) { return one(checked_op(), {a}, nullptr, at)[0]; }
Value peek(const State& state, At at) { return one(peek_op(), {}, &state, at)[0]; }
void poke(const State& state, const In& value, At at) { one(poke_op(), {value}, &state, at); }

std::vector<float> floats(const Tensor& tensor) {
  const auto data = tensor.data<float>();
  return {data.begin(), data.end()};
}

Tensor row(std::vector<float> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return Tensor(values, {1, n});
}

}  // namespace sim_test
