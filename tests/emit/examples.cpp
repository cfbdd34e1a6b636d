// SPDX-License-Identifier: Apache-2.0
#include "examples.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernels/norm.h"
#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/product.h"

namespace openinfer::kernels {
namespace {

using Exprs = std::span<const ScalarExpr>;

}  // namespace

std::int64_t Example::groups() const {
  std::int64_t groups = 1;
  for (const GridFactor& f : made.grid) {
    const std::int64_t extent = f.extent.known() ? f.extent.value : params.at(f.extent.param);
    groups *= (extent + f.divide - 1) / f.divide;
  }
  return groups;
}

std::vector<std::span<std::byte>> Example::memory() {
  std::vector<std::span<std::byte>> all;
  for (const kir::Buffer& b : made.kernel.buffers)
    if (b.space == kir::Space::global) all.emplace_back(buffers.at(b.name).bytes());
  return all;
}

std::vector<std::int32_t> Example::parameters() const {
  std::vector<std::int32_t> all;
  for (const std::string& p : made.kernel.params) all.push_back(static_cast<std::int32_t>(params.at(p)));
  return all;
}

Example chain(const kir::Target& target, std::int64_t rows, std::int64_t width) {
  Pointwise p = {.axes = {{1 << 20, "rows"}, {width}}};
  p.inputs = {{"a", DType::f32, {true, true}}, {"b", DType::bf16, {true, true}}, {"c", DType::f32, {false, true}}};
  p.steps = {{"silu", [](Exprs v) { return v[0] * ScalarExpr::call("sigmoid", {v[0]}); }, {0}, DType::f32},
             {"gated", [](Exprs v) { return v[0] * v[1]; }, {3, 1}, DType::f32},
             {"ratio", [](Exprs v) { return v[0] / (v[1] + ScalarExpr(2)); }, {4, 2}, DType::f32}};
  p.outputs = {{"gated_out", DType::f32, 4}, {"ratio_out", DType::f16, 5}};
  Example e = {.made = pointwise(target, "silu_mul", p),
               .buffers = {{"a", Data(DType::f32, noise(rows * width))},
                           {"b", Data(DType::bf16, noise(rows * width, 2))},
                           {"c", Data(DType::f32, noise(width, 3))},
                           {"gated_out", Data(DType::f32, rows * width)},
                           {"ratio_out", Data(DType::f16, rows * width)}},
               .params = {{"rows", rows}},
               .results = {}};
  std::vector<double> gated, ratio;
  for (std::int64_t i = 0; i < rows * width; ++i) {
    const double a = e.buffers["a"][i];
    gated.push_back(a / (1 + std::exp(-a)) * e.buffers["b"][i]);
    ratio.push_back(gated.back() / (e.buffers["c"][i % width] + 2));
  }
  // Numbers below 1: sigmoid is within 2.5 ULP, then five roundings; the store as f16.
  e.results = {{"gated_out", gated, 5 * rounding(DType::f32)}, {"ratio_out", ratio, 1.01 * rounding(DType::f16)}};
  return e;
}

Example rms_norm(const kir::Target& target, std::int64_t rows, std::int64_t width) {
  const Norm what = {.rows = {1 << 20, "rows"}, .width = {width}, .x = DType::f32, .w = DType::bf16};
  Example e = {.made = norm(target, "rms_norm", what),
               .buffers = {{"x", Data(DType::f32, noise(rows * width))},
                           {"w", Data(DType::bf16, noise(width, 2))},
                           {"y", Data(DType::f32, rows * width)}},
               .params = {{"rows", rows}},
               .results = {}};
  std::vector<double> y;
  for (std::int64_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (std::int64_t i = 0; i < width; ++i) squares += std::pow(e.buffers["x"][r * width + i], 2);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + what.eps);
    for (std::int64_t i = 0; i < width; ++i) y.push_back(e.buffers["x"][r * width + i] * scale * e.buffers["w"][i]);
  }
  // Results below 2; a sum of `width` squares errs by at most that many roundings, of which the root takes half.
  e.results = {{"y", y, 2 * (static_cast<double>(width) / 2 + 5) * rounding(DType::f32)}};
  return e;
}

Example matvec(const kir::Target& target, DType weights, std::int64_t N, std::int64_t K, std::int64_t M) {
  Product what = {.name = "matvec_" + std::string(name(weights)), .rows = {8, "N"}, .inner = {K}};
  what.weights = {{"w", weights, {M}, true, "", DType::f32}};
  Pointwise tail = {.axes = {{8, "N"}, {M}}, .given = {DType::f32}};
  tail.inputs = {{"residual", DType::f32, {true, true}}};
  tail.steps = {{"sum_with_residual", [](Exprs v) { return v[0] + v[1]; }, {0, 1}, DType::f32}};
  tail.outputs = {{"y", DType::f32, 2}};
  what.tails = {tail};
  const Stored w(weights, M, K, 5);
  Example e = {.made = product(target, what),
               .buffers = {{"w", w.data},
                           {"x", Data(DType::f32, noise(N * K))},
                           {"residual", Data(DType::f32, noise(N * M, 3))},
                           {"y", Data(DType::f32, N * M)},
                           {"iq_codebooks", codebook_data()}},
               .params = {{"N", N}},
               .results = {}};
  std::vector<double> y;
  double bound = 0;
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t m = 0; m < M; ++m) {
      double sum = 0, size = 0;
      for (std::int64_t k = 0; k < K; ++k) {
        sum += e.buffers["x"][n * K + k] * w.at(m, k);
        size += std::abs(e.buffers["x"][n * K + k]);
      }
      y.push_back(sum + e.buffers["residual"][n * M + m]);
      // Sums of K rounded products in any order (Higham 2002, 3.1), where scale · q and the minimum are apart.
      bound = std::max(bound, static_cast<double>(K + 5) * rounding(DType::f32) * 4 * w.largest() * size);
    }
  e.results = {{"y", y, bound}};
  return e;
}

std::vector<Example> all_examples(const kir::Target& target) {
  std::vector<Example> all = {chain(target), rms_norm(target)};
  for (const DType dtype : block_dtypes()) all.push_back(matvec(target, dtype));
  kir::Target by_tiles = target;
  if (target.lanes_are_vectors()) by_tiles.tuned["few_rows_at_once"] = 4;
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) all.push_back(matvec(by_tiles, dtype, 7, 148));
  return all;
}

void check_results(const Example& e) {
  for (const Example::Result& r : e.results) {
    INFO(e.made.kernel.name << ": " << r.buffer);
    CHECK(distance(e.buffers.at(r.buffer).values(), r.values) <= r.bound);
  }
}

}  // namespace openinfer::kernels
