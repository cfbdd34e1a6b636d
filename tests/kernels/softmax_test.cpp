// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/softmax.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

std::vector<double> expected(const Data& x, std::int64_t O, std::int64_t J, std::int64_t I) {
  std::vector<double> y(static_cast<std::size_t>(O * J * I));
  for (std::int64_t o = 0; o < O; ++o)
    for (std::int64_t i = 0; i < I; ++i) {
      const auto at = [&](std::int64_t j) { return (o * J + j) * I + i; };
      double top = -INFINITY, sum = 0;
      for (std::int64_t j = 0; j < J; ++j) top = std::isnan(x[at(j)]) ? NAN : std::max(top, x[at(j)]);
      for (std::int64_t j = 0; j < J; ++j) sum += std::exp(x[at(j)] - top);
      for (std::int64_t j = 0; j < J; ++j) y[static_cast<std::size_t>(at(j))] = std::exp(x[at(j)] - top) / sum;
    }
  return y;
}

void check(const kir::Target& target, std::int64_t O, std::int64_t J, std::int64_t I, DType dtype, bool known) {
  const auto extent = [&](std::int64_t n, const char* name) { return known ? Extent{n} : Extent{1 << 20, name}; };
  // Only a last axis that is known to be 1 is none.
  const Softmax what = {
      .outer = extent(O, "O"), .axis = extent(J, "J"), .inner = I == 1 ? Extent{1} : extent(I, "I"), .x = dtype};
  std::vector<double> values = noise(O * J * I);
  for (double& v : values) v *= 8;
  Buffers b = {{"x", Data(dtype, values)}, {"y", Data(dtype, O * J * I)}};
  run(softmax(target, "softmax", what), b, {{"O", O}, {"J", J}, {"I", I}});
  // The argument of exp has an error of 16 · 2^-24, the sum one of J roundings; then a few more and the store.
  const double bound = (16 + static_cast<double>(J) + 8) * rounding(DType::f32) + rounding(dtype);
  INFO(O << " x " << J << " x " << I << " " << name(dtype));
  CHECK(distance(b["y"].values(), expected(b["x"], O, J, I)) <= bound);
}

}  // namespace

TEST_CASE("softmax along any axis against f64") {
  for (const kir::Target& target : targets())
    for (const bool known : {true, false}) {
      for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
        check(target, 3, 37, 1, dtype, known);
        check(target, 2, 7, 19, dtype, known);
      }
      check(target, 1, 1, 1, DType::f32, known);
      check(target, 0, 5, 1, DType::f32, known);
      check(target, 1, 700, 1, DType::f32, known);
      check(target, 2, 3, 0, DType::f32, known);
    }
}

TEST_CASE("softmax of infinities and NaN") {
  for (const kir::Target& target : targets()) {
    Buffers b = {{"x", Data(DType::f32, std::vector<double>{-INFINITY, 0, -INFINITY, 0,                  //
                                                            -INFINITY, -INFINITY, -INFINITY, -INFINITY,  //
                                                            1, NAN, 2, 3,                                //
                                                            -3e38, 3e38, 0, 1})},
                 {"y", Data(DType::f32, 16)}};
    run(softmax(target, "softmax", {.outer = {4}, .axis = {4}, .inner = {1}}), b);
    const double n = NAN;
    CHECK(distance(b["y"].values(), {0, 0.5, 0, 0.5, n, n, n, n, n, n, n, n, 0, 1, 0, 0}) == 0);
  }
}
