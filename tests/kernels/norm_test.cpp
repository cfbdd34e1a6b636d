// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/norm.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

struct NormCase {
  std::int64_t rows, width;
  DType x, w;
  bool layer = false, known = true, biased = true;
};

/// What the norm is, in f64, and how far from it sums of `width` rounded terms may be.
void expected(const NormCase& c, const Buffers& b, std::vector<double>& y, double& bound) {
  const double eps = rounding(c.x == DType::f64 ? c.x : DType::f32);
  for (std::int64_t r = 0; r < c.rows; ++r) {
    double mean = 0, variance = 0, most = 0;
    const auto x = [&](std::int64_t i) { return b.at("x")[r * c.width + i]; };
    for (std::int64_t i = 0; c.layer && i < c.width; ++i) mean += x(i) / static_cast<double>(c.width);
    for (std::int64_t i = 0; i < c.width; ++i) variance += std::pow(x(i) - mean, 2) / static_cast<double>(c.width);
    for (std::int64_t i = 0; i < c.width; ++i) most = std::max(most, std::abs(x(i)) + std::abs(mean));
    const double scale = 1 / std::sqrt(variance + 1e-5);
    for (std::int64_t i = 0; i < c.width; ++i) {
      y.push_back((x(i) - mean) * scale * b.at("w")[i] + (c.layer && c.biased ? b.at("b")[i] : 0));
      // The sums' errors grow with their length; behind them come eight more roundings, then the store.
      bound = std::max(
          bound, static_cast<double>(c.width + 8) * eps * (most * scale + 1) * 2 + std::abs(y.back()) * rounding(c.x));
    }
  }
}

void check(const kir::Target& target, const NormCase& c) {
  const auto extent = [&](std::int64_t n, const char* name) { return c.known ? Extent{n} : Extent{1 << 20, name}; };
  Norm what = {.rows = {1 << 20, "rows"}, .width = extent(c.width, "width"), .x = c.x, .w = c.w};
  what.centred = c.layer;
  if (c.layer && c.biased) what.b = c.w;
  Buffers b = {{"x", Data(c.x, noise(c.rows * c.width))},
               {"w", Data(c.w, noise(c.width, 2))},
               {"b", Data(c.w, noise(c.width, 3))},
               {"y", Data(c.x, c.rows * c.width)}};
  run(norm(target, "norm", what), b, {{"rows", c.rows}, {"width", c.width}});
  std::vector<double> y;
  double bound = 0;
  expected(c, b, y, bound);
  INFO(c.rows << " x " << c.width << " " << name(c.x) << " layer " << c.layer);
  CHECK(distance(b["y"].values(), y) <= bound);
}

}  // namespace

TEST_CASE("rms_norm and layer_norm against f64, any target and dtype") {
  for (const kir::Target& target : targets())
    for (const bool layer : {false, true}) {
      for (const DType x : {DType::f16, DType::bf16, DType::f32, DType::f64})
        for (const DType w : {DType::f32, DType::bf16, DType::f64}) check(target, {3, 40, x, w, layer});
      check(target, {1, 576, DType::f32, DType::f32, layer});
      check(target, {33, 5, DType::f32, DType::f16, layer});
      check(target, {2, 1, DType::f32, DType::f32, layer});
      check(target, {0, 8, DType::f32, DType::f32, layer});
      check(target, {5, 131, DType::f32, DType::f32, layer, false});
      check(target, {3, 40, DType::f32, DType::bf16, layer, true, false});
    }
}

TEST_CASE("a tail behind a norm reads at the result's place") {
  for (const kir::Target& target : targets()) {
    Norm what = {.rows = {6}, .width = {20}};
    // (2, 3, 20): y = norm · gate[a, 1, i] + norm, and the norm itself as f16
    what.tail.axes = {{2}, {3}, {20}};
    what.tail.given = {DType::f32};
    what.tail.inputs = {{"gate", DType::f32, {true, false, true}}};
    what.tail.steps = {{"gated", [](std::span<const ScalarExpr> v) { return v[0] * v[1] + v[0]; }, {0, 1}, DType::f32}};
    what.tail.outputs = {{"gated", DType::f32, 2}, {"plain", DType::f16, 0}};
    Buffers b = {{"x", Data(DType::f32, noise(120))},
                 {"w", Data(DType::f32, noise(20, 2))},
                 {"gate", Data(DType::f32, noise(40, 3))},
                 {"gated", Data(DType::f32, 120)},
                 {"plain", Data(DType::f16, 120)}};
    run(norm(target, "norm", what), b);
    std::vector<double> y;
    double bound = 0;
    expected({6, 20, DType::f32, DType::f32}, b, y, bound);
    CHECK(distance(b["plain"].values(), y) <= bound + 4 * rounding(DType::f16));
    for (std::size_t i = 0; i < y.size(); ++i)
      y[i] += y[i] * b["gate"][static_cast<std::int64_t>(i / 60 * 20 + i % 20)];
    CHECK(distance(b["gated"].values(), y) <= 2 * bound + 8 * rounding(DType::f32));
  }
}
