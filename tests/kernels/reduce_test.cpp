// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/reduce.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;
using Fold = Reduce::Fold;

namespace {

bool is_place(Fold fold) { return fold == Fold::argmax || fold == Fold::argmin; }

double folded(Fold fold, bool last, DType dtype, const std::vector<double>& v) {
  double sum = 0, product = 1;
  std::size_t best = 0;
  const bool largest = fold == Fold::max || fold == Fold::argmax;
  for (std::size_t j = 0; j < v.size(); ++j) {
    sum += v[j];
    product *= v[j];
    if (dtype != DType::f64) product = static_cast<float>(product);
    const bool further = largest ? v[best] < v[j] : v[j] < v[best];
    if (std::isnan(v[best]) ? last && std::isnan(v[j]) : further || std::isnan(v[j]) || (last && v[best] == v[j]))
      best = j;
  }
  if (fold == Fold::sum) return sum;
  if (fold == Fold::prod) return product;
  if (fold == Fold::mean) return sum / static_cast<double>(v.size());
  return is_place(fold) ? static_cast<double>(best) : v[best];
}

std::vector<double> expected(Fold fold, bool last, DType dtype, const Data& x, const Shape3& s) {
  std::vector<double> y;
  for (std::int64_t o = 0; o < s.O; ++o)
    for (std::int64_t i = 0; i < s.I; ++i) {
      std::vector<double> v;
      for (std::int64_t j = 0; j < s.J; ++j) v.push_back(x[(o * s.J + j) * s.I + i]);
      y.push_back(folded(fold, last, dtype, v));
    }
  return y;
}

void check(const kir::Target& target, Fold fold, const Shape3& s, DType dtype, const std::vector<double>& values,
           bool known, bool last = false) {
  const auto extent = [&](std::int64_t n, const char* name) { return known ? Extent{n} : Extent{1 << 20, name}; };
  const Reduce what = {.fold = fold,
                       .outer = extent(s.O, "O"),
                       .reduced = extent(s.J, "J"),
                       .inner = s.I == 1 ? Extent{1} : extent(s.I, "I"),
                       .x = dtype,
                       .last = last};
  Buffers b = {{"x", Data(dtype, values)}, {"y", Data(is_place(fold) ? DType::i32 : dtype, s.O * s.I)}};
  run(reduce(target, "reduce", what), b, {{"O", s.O}, {"J", s.J}, {"I", s.I}});
  const bool sums = fold == Fold::sum || fold == Fold::mean;
  // |values| < 8: J roundings of sums below 8 J (of means: divided by J), then the store. Everything else is exact.
  const double size = 8.0 * static_cast<double>(fold == Fold::sum ? s.J : 1);
  const double eps = rounding(dtype == DType::f64 ? dtype : DType::f32);
  double bound = sums && is_float(dtype) ? size * (static_cast<double>(s.J + 1) * eps + rounding(dtype)) : 0;
  const std::vector<double> wanted = expected(fold, last, dtype, b["x"], s);
  // A product is rounded after each factor here as there; only the store rounds beside.
  if (fold == Fold::prod && is_float(dtype))
    for (const double w : wanted) bound = std::max(bound, rounding(dtype) * std::abs(w));
  INFO("fold " << static_cast<int>(fold) << ": " << s.O << " x " << s.J << " x " << s.I << " " << name(dtype));
  CHECK(distance(b["y"].values(), wanted) <= bound);
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

TEST_CASE("folds along any axis against f64") {
  constexpr Shape3 kShapes[] = {{3, 37, 1}, {2, 7, 19}, {1, 1, 1}, {0, 3, 1}, {1, 300, 1}, {2, 3, 0}, {40, 2, 1}};
  for (const kir::Target& target : targets())
    for (const Shape3& s : kShapes)
      for (const Fold fold : {Fold::sum, Fold::mean, Fold::max, Fold::min, Fold::argmax, Fold::argmin})
        for (const bool known : {true, false})
          for (const DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64}) {
            if (few_shaders() && known && (dtype != DType::f32 || fold == Fold::min || fold == Fold::argmin)) continue;
            check(target, fold, s, dtype, small(s.O * s.J * s.I, false, false), known);
          }
}

TEST_CASE("products take one factor after the other") {
  for (const kir::Target& target : targets())
    for (const Shape3& s : {Shape3{3, 37, 1}, Shape3{2, 7, 19}, Shape3{0, 3, 1}, Shape3{4, 0, 1}, Shape3{40, 2, 1}})
      for (const bool known : {true, false})
        for (const DType dtype : {DType::f16, DType::f32, DType::f64}) {
          std::vector<double> values = noise(s.O * s.J * s.I);
          for (double& v : values) v = v * 0.25 + 1;
          check(target, Fold::prod, s, dtype, values, known);
        }
}

TEST_CASE("reductions of integers are exact") {
  for (const kir::Target& target : targets())
    for (const Fold fold : {Fold::sum, Fold::max, Fold::min, Fold::argmax, Fold::argmin})
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
    what.fold = Fold::prod;  // 1000000 = 0xf4240
    run(reduce(target, "prod", what), b);
    CHECK(b["z"][0] == 0x40);
  }
}

TEST_CASE("the first or the last of equals, and NaN, are the furthest") {
  const std::vector<double> rows = {1,         5,         3,         5,          //
                                    NAN,       1,         NAN,       INFINITY,   //
                                    1,         INFINITY,  NAN,       NAN,        //
                                    -INFINITY, -INFINITY, -INFINITY, -INFINITY,  //
                                    0,         -1,        -1,        0};
  for (const kir::Target& target : targets())
    for (const Fold fold : {Fold::max, Fold::min, Fold::argmax, Fold::argmin})
      for (const DType dtype : {DType::f16, DType::f32, DType::f64})
        for (const bool last : {false, true}) {
          check(target, fold, {1, 20, 1}, dtype, rows, false, last);
          if (few_shaders() && dtype != DType::f32) continue;
          check(target, fold, {5, 4, 1}, dtype, rows, true, last);
          check(target, fold, {1, 5, 4}, dtype, rows, true, last);
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
