// SPDX-License-Identifier: Apache-2.0
// Operators over axes: sum, mean, max, argmax, softmax, norms.
#include <fmt/format.h>

#include "openinfer/op_def.h"
#include "openinfer/ops.h"
#include "tests/matrix/operators.h"

namespace openinfer::matrix {
namespace {

/// What is reduced, and how many elements at most stand behind one result.
struct Over1 {
  const char* form;
  Shape x;
  Over over;
  double count;
  std::int64_t least = 0;  // the smallest N that leaves an element for each result
  bool quick = false;
};

const Over1 kReductions[] = {
    {"(N, 33) over 1", {kN, 33}, {.axes = {1}}, 33, 0, true},
    {"(N, 33) over 0", {kN, 33}, {.axes = {0}}, 65, 1},
    {"(N, 33) over all", {kN, 33}, {}, 65 * 33, 1},
    {"(N, 7, 33) over 1, kept", {kN, 7, 33}, {.axes = {-2}, .keepdims = true}, 7},
    {"(3, N, 7) over 0 2", {3, kN, 7}, {.axes = {0, 2}}, 21},
    {"(3, 65, 7) over 1 2", {3, 65, 7}, {.axes = {1, 2}}, 455},
    {"(3, 5003) over 1", {3, 5003}, {.axes = {1}}, 5003},
    {"(N, 1) over 1", {kN, 1}, {.axes = {1}}, 1},
};

}  // namespace

void reduce_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const std::string_view op = row.name;
  const bool extreme = op == "reduce_max" || op == "reduce_min";
  for (const Over1& r : kReductions) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, r.x,
                              extreme        ? every_value()
                              : op == "prod" ? (is_float(t) ? noise(1.5) : every_value())
                                             : rows_of_noise());
      // The largest, the smallest of -0 and +0 is either.
      if (extreme) return c.output(op == "reduce_max" ? max(x, r.over) : min(x, r.over), ulp(0));
      // One factor after the other; products of thousands are denormal or 0.
      if (op == "prod") return c.output(prod(x, r.over));
      // In any order n terms lose n - 1 roundings of partial sums, each at most Σ|x|, on both sides; a mean one more.
      const auto f = op == "sum" ? [](const Value& v, const Over& o) { return sum(v, o); }
                                 : [](const Value& v, const Over& o) { return mean(v, o); };
      c.output(f(x, r.over), is_float(t) ? sum_bound(2 * r.count + 1, [=] { return f(size_of(x), r.over); }) : exact());
    };
    to.push_back({.op = std::string(op),
                  .dtype = std::string(name(t)),
                  .form = r.form,
                  .build = build,
                  .quick = (r.quick && is_quick(t)) || t == f32,
                  .least = extreme ? r.least : 0});
  }
}

void truth_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  for (const Over1& r : kReductions)
    for (const bool rare : {false, true}) {
      const auto build = [=](CellGraph& c) {
        // Of some rows all are true, of some none, of others one is not as the others are.
        const Value x =
            c.input(t, r.x, numbered([=](std::int64_t i) { return (i % 101 == 7 || i / 165 % 2 == 1) != rare; }));
        c.output(row.name == "any" ? any(x, r.over) : all(x, r.over));
      };
      to.push_back({.op = std::string(row.name),
                    .dtype = std::string(name(t)),
                    .form = fmt::format("{}, {}", r.form, rare ? "mostly true" : "mostly false"),
                    .build = build,
                    .quick = r.quick});
    }
}

void logsumexp_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  for (const Over1& r : kReductions) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, r.x, rows_of_noise());
      const Value y = logsumexp(x, r.over);
      // A sum of powers in any order, and on both sides exp within 1 ULP: relative to the sum, so absolute of its log;
      // behind it a logarithm within 1 ULP and a sum.
      c.output(y, sum_bound(2 * r.count + 8, [=] { return size_of(y) + 8; }));
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = r.form,
                  .build = build,
                  .quick = r.quick || t == f32,
                  .least = r.least});
  }
}

void argmax_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, std::int64_t axis, bool keepdims, std::int64_t least,
                       bool quick) {
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = form,
                  .build =
                      [=](CellGraph& c) {
                        const Value x = c.input(t, shape, rows_of_noise());
                        for (const bool first : {true, false})
                          c.output(row.name == "argmax" ? argmax(x, axis, keepdims, first)
                                                        : argmin(x, axis, keepdims, first));
                      },
                  .quick = (quick && is_quick(t)) || t == f32,
                  .least = least});
  };
  add("(N, 33)", {kN, 33}, -1, false, 0, true);
  add("(N, 33) along 0", {kN, 33}, 0, false, 1, false);
  add("(3, N, 7) along 1, kept", {3, kN, 7}, 1, true, 1, false);
  add("(2, 5003)", {2, 5003}, -1, false, 0, false);
}

void softmax_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, std::int64_t axis, double count, bool quick) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, shape, rows_of_noise());
      if (row.name == "l2_norm") {  // the root halves what the sum of squares loses on both sides
        const Value y = l2_norm(x, axis);
        return c.output(y, sum_bound(count + 10, [=] { return size_of(y); }));
      }
      if (row.name == "log_softmax") {  // as logsumexp's, and the difference's rounding
        const Value y = log_softmax(x, axis);
        return c.output(y, sum_bound(2 * count + 10, [=] { return size_of(y) + 8; }));
      }
      const Value y = softmax(x, axis);
      // Each result is exp / Σ exp: a sum of positive numbers in any order, and on both sides exp within 1 ULP, the
      // quotient, and for a running maximum one more exp and product for each.
      c.output(y, sum_bound(2 * count + 16, [=] { return cast(y, f64); }));
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = form,
                  .build = build,
                  .quick = quick || t == f32});
  };
  add("(N, 33)", {kN, 33}, -1, 33, true);
  add("(N, 33) along 0", {kN, 33}, 0, 65, false);
  add("(3, N, 7) along 1", {3, kN, 7}, 1, 65, false);
  add("(2, 5003)", {2, 5003}, -1, 5003, false);
  add("(N, 1)", {kN, 1}, -1, 1, false);
}

namespace {

/// |y| of an rms_norm; of a layer_norm the parts that cancel, each of which is off by the roundings of its sum.
Value norm_scale(const Value& x, const Value& w, const Value& b) {
  const Value x64 = cast(x, f64), mean_x = mean(x64, {.axes = {-1}, .keepdims = true});
  const Value d = x64 - mean_x, variance = mean(d * d, {.axes = {-1}, .keepdims = true});
  const Value parts = abs(x64) + mean(abs(x64), {.axes = {-1}, .keepdims = true});
  return parts * rsqrt(variance + 1e-5) * size_of(w) + size_of(b);
}

}  // namespace

void group_norm_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const auto add = [&](const char* form, const Shape& shape, std::int64_t groups, double count, bool quick) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, shape, noise(2)), w = c.input(f32, {shape[1]}), b = c.input(f32, {shape[1]});
      // Each group's mean and variance lose the roundings of their sums on both sides; what cancels is at most 2.
      const Value y = group_norm(x, groups, w, b, 1e-2);
      c.output(y, sum_bound(2 * count + 16, [=] { return size_of(y) + 40; }));
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = std::string(name(t)),
                  .form = form,
                  .build = build,
                  .quick = quick && (is_quick(t) || t == f32)});
  };
  add("(N, 6, 7) in 2", {kN, 6, 7}, 2, 21, true);
  add("(N, 6) in 3", {kN, 6}, 3, 2, false);
  add("(2, 4, N, 5) in 4", {2, 4, kN, 5}, 4, 325, false);
  add("(3, 8, 5, 33) in 1", {3, 8, 5, 33}, 1, 1320, false);
}

void norm_cells(const Operator& row, DType t, std::vector<Cell>& to) {
  const bool layer = row.name == "layer_norm";
  const auto add = [&](DType weight, const char* form, const Shape& shape, double width, bool quick) {
    const auto build = [=](CellGraph& c) {
      const Value x = c.input(t, shape, rows_of_noise()), w = c.input(weight, {shape.back()});
      if (layer) {
        const Value b = c.input(weight, {shape.back()});
        c.output(layer_norm(x, w, b), sum_bound(2 * width + 16, [=] { return norm_scale(x, w, b); }));
      } else {
        const Value y = rms_norm(x, w);
        // The root halves what the sum of squares loses on both sides; behind it come a few roundings.
        c.output(y, sum_bound(width + 12, [=] { return size_of(y); }));
      }
    };
    to.push_back({.op = std::string(row.name),
                  .dtype = fmt::format("{}, weights {}", name(t), name(weight)),
                  .form = form,
                  .build = build,
                  .quick = quick});
  };
  for (const DType weight : {f32, f16, bf16, f64}) add(weight, "(N, 33)", {kN, 33}, 33, weight == f32);
  add(f32, "(3, N, 7)", {3, kN, 7}, 7, false);
  add(f32, "(2, 5003)", {2, 5003}, 5003, t == f32);
  add(f32, "(N, 1)", {kN, 1}, 1, t == f32);
}

}  // namespace openinfer::matrix
