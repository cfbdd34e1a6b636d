// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/reduce.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;
using Fold = Reduce::Fold;

namespace {

struct Shape3 {
  std::int64_t O, J, I;
};

double folded(Fold fold, const std::vector<double>& v) {
  double sum = 0;
  std::size_t best = 0;
  for (std::size_t j = 0; j < v.size(); ++j) {
    sum += v[j];
    if (!std::isnan(v[best]) && (v[best] < v[j] || std::isnan(v[j]))) best = j;
  }
  if (fold == Fold::sum) return sum;
  if (fold == Fold::mean) return sum / static_cast<double>(v.size());
  return fold == Fold::max ? v[best] : static_cast<double>(best);
}

std::vector<double> expected(Fold fold, const Data& x, const Shape3& s) {
  std::vector<double> y;
  for (std::int64_t o = 0; o < s.O; ++o)
    for (std::int64_t i = 0; i < s.I; ++i) {
      std::vector<double> v;
      for (std::int64_t j = 0; j < s.J; ++j) v.push_back(x[(o * s.J + j) * s.I + i]);
      y.push_back(folded(fold, v));
    }
  return y;
}

void check(const kir::Target& target, Fold fold, const Shape3& s, DType dtype, const std::vector<double>& values,
           bool known) {
  const auto extent = [&](std::int64_t n, const char* name) { return known ? Extent{n} : Extent{1 << 20, name}; };
  const Reduce what = {.fold = fold,
                       .outer = extent(s.O, "O"),
                       .reduced = extent(s.J, "J"),
                       .inner = s.I == 1 ? Extent{1} : extent(s.I, "I"),
                       .x = dtype};
  Buffers b = {{"x", Data(dtype, values)}, {"y", Data(fold == Fold::argmax ? DType::i32 : dtype, s.O * s.I)}};
  run(reduce(target, "reduce", what), b, {{"O", s.O}, {"J", s.J}, {"I", s.I}});
  const bool sums = fold == Fold::sum || fold == Fold::mean;
  // |values| < 8: J roundings of sums below 8 J (of means: divided by J), then the store. Everything else is exact.
  const double size = 8.0 * static_cast<double>(fold == Fold::sum ? s.J : 1);
  const double eps = rounding(dtype == DType::f64 ? dtype : DType::f32);
  const double bound = sums && is_float(dtype) ? size * (static_cast<double>(s.J + 1) * eps + rounding(dtype)) : 0;
  INFO("fold " << static_cast<int>(fold) << ": " << s.O << " x " << s.J << " x " << s.I << " " << name(dtype));
  CHECK(distance(b["y"].values(), expected(fold, b["x"], s)) <= bound);
}

std::vector<double> small(std::int64_t count, bool integral, bool positive) {
  std::vector<double> values = noise(count);
  for (double& v : values) {
    v *= 8;
    if (integral) v = std::floor(v);
    if (positive) v = std::abs(v);
  }
  return values;
}

}  // namespace

TEST_CASE("sum, mean, max and argmax along any axis against f64") {
  constexpr Shape3 kShapes[] = {{3, 37, 1}, {2, 7, 19}, {1, 1, 1}, {0, 3, 1}, {1, 300, 1}, {2, 3, 0}, {40, 2, 1}};
  for (const kir::Target& target : targets())
    for (const Shape3& s : kShapes)
      for (const Fold fold : {Fold::sum, Fold::mean, Fold::max, Fold::argmax})
        for (const bool known : {true, false})
          for (const DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64})
            check(target, fold, s, dtype, small(s.O * s.J * s.I, false, false), known);
}

TEST_CASE("reductions of integers are exact") {
  for (const kir::Target& target : targets())
    for (const Fold fold : {Fold::sum, Fold::max, Fold::argmax})
      for (const Shape3& s : {Shape3{2, 30, 1}, Shape3{2, 3, 5}}) {
        for (const DType dtype : {DType::i16, DType::i32, DType::i64})
          check(target, fold, s, dtype, small(s.O * s.J * s.I, true, false), true);
        for (const DType dtype : {DType::u16, DType::u32, DType::u64})
          check(target, fold, s, dtype, small(s.O * s.J * s.I, true, true), true);
      }
}

TEST_CASE("sums of nothing, and of integers that wrap") {
  for (const kir::Target& target : targets()) {
    check(target, Fold::sum, {4, 0, 1}, DType::f32, {}, true);
    check(target, Fold::mean, {4, 0, 1}, DType::f32, {}, false);
    check(target, Fold::sum, {2, 0, 3}, DType::i32, {}, true);
    Buffers b = {{"x", Data(DType::i8, std::vector<double>{100, 100, 100})}, {"y", Data(DType::i8, 1)}};
    run(reduce(target, "sum", {.outer = {1}, .reduced = {3}, .inner = {1}, .x = DType::i8}), b);
    CHECK(b["y"][0] == 44);
    Reduce what = {.fold = Fold::sum, .outer = {1}, .reduced = {3}, .inner = {1}, .x = DType::i8};
    what.tail.given = {DType::i8};
    what.tail.steps = {
        {"z", [](std::span<const ScalarExpr> v) { return convert(v[0], ScalarKind::f32); }, {0}, DType::f32}};
    what.tail.outputs = {{"z", DType::f32, 1}};
    b["z"] = Data(DType::f32, 1);
    run(reduce(target, "sum", what), b);
    CHECK(b["z"][0] == 44);
  }
}

TEST_CASE("the first of equals, and NaN, are the largest") {
  const std::vector<double> rows = {1,         5,         3,         5,          //
                                    NAN,       1,         NAN,       INFINITY,   //
                                    1,         INFINITY,  NAN,       NAN,        //
                                    -INFINITY, -INFINITY, -INFINITY, -INFINITY,  //
                                    0,         -1,        -1,        0};
  for (const kir::Target& target : targets())
    for (const Fold fold : {Fold::max, Fold::argmax})
      for (const DType dtype : {DType::f16, DType::f32, DType::f64}) {
        check(target, fold, {5, 4, 1}, dtype, rows, true);
        check(target, fold, {1, 20, 1}, dtype, rows, false);
        check(target, fold, {1, 5, 4}, dtype, rows, true);
      }
}

TEST_CASE("a tail behind a reduction has the result's shape") {
  for (const kir::Target& target : targets()) {
    Reduce what = {.outer = {6}, .reduced = {10}, .inner = {1}};
    what.tail.axes = {{2}, {3}};
    what.tail.given = {DType::f32};
    what.tail.inputs = {{"bias", DType::f32, {false, true}}};
    what.tail.steps = {{"sum", [](std::span<const ScalarExpr> v) { return v[0] + v[1]; }, {0, 1}, DType::f32}};
    what.tail.outputs = {{"z", DType::f32, 2}};
    Buffers b = {{"x", Data(DType::f32, std::vector<double>(60, 1))},
                 {"bias", Data(DType::f32, std::vector<double>{1, 2, 3})},
                 {"z", Data(DType::f32, 6)}};
    run(reduce(target, "sum", what), b);
    CHECK(b["z"].values() == std::vector<double>{11, 12, 13, 11, 12, 13});
  }
}
