// SPDX-License-Identifier: Apache-2.0
// Products by matrix units, in the interpreter, against f64 loops over operands that were rounded to f16.
#include "codegen/kernels/product_mma.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernels/block_code.h"
#include "openinfer/error.h"
#include "openinfer/half.h"
#include "stored.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Exprs = std::span<const ScalarExpr>;
using Siblings = Product::Siblings;

kir::Target with_mma(int m, int n, int k, int subgroups = 4, int lanes = 32) {
  return {.lanes = lanes, .subgroups = subgroups, .mma = MmaShape{.m = m, .n = n, .k = k}};
}
/// Shapes of CUDA (sm_80 and later, sm_75) and of Vulkan; one, two, four and eight subgroups.
const std::vector<kir::Target>& mma_targets() {
  static const std::vector<kir::Target> all = {with_mma(16, 8, 16),         with_mma(16, 8, 8),
                                               with_mma(16, 16, 16),        with_mma(16, 8, 16, 1),
                                               with_mma(16, 16, 16, 2, 64), with_mma(16, 8, 8, 8)};
  return all;
}

double f16_of(double x) { return half_to_float(float_to_half(static_cast<float>(x))); }

/// Products of two f16 are exact in f32, sums in any order differ by K eps Σ|x·w| (Higham 2002, 3.1). Of blocks a
/// decoded element may be rounded to either neighbour where the two ways to compute it in f32 differ: 2^-11 of it.
void check(const Data& y, std::int64_t at, const Stored& x, const Stored& w, std::int64_t n, std::int64_t m,
           double added = 0) {
  double sum = added, size = std::abs(added);
  for (std::int64_t k = 0; k < x.n; ++k) {
    const double product = f16_of(x.at(n, k)) * f16_of(w.at(m, k));
    sum += product;
    size += std::abs(product);
  }
  const double bound = static_cast<double>(x.n + 2) * 0x1p-24 * size;
  if (!(std::abs(y[at] - sum) <= bound))
    FAIL_CHECK("element " << at << ": " << y[at] << ", not " << sum << " by at most " << bound);
}

struct MmaCase {
  DType x, w;
  std::int64_t N, K, M;
};

void check_mma(const kir::Target& target, const MmaCase& c) {
  INFO(name(c.x) << " x " << name(c.w) << ": " << c.N << ", " << c.K << ", " << c.M);
  const Stored x(c.x, c.N, c.K, 11), w(c.w, c.M, c.K, 12);
  Product p = {.name = "p", .x = c.x, .rows = {512, "N"}, .inner = {c.K}};
  p.weights = {{.name = "w", .dtype = c.w, .columns = {c.M}}};
  p.tails = {{.axes = {p.rows, {c.M}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  Buffers b = {{"x", x.data}, {"w", w.data}, {"y", Data(DType::f32, c.N * c.M)}, {"iq_codebooks", codebook_data()}};
  REQUIRE(why_no_mma(target, p).empty());
  run(mma_product(target, p), b, {{"N", c.N}});
  for (std::int64_t n = 0; n < c.N; ++n)
    for (std::int64_t m = 0; m < c.M; ++m) check(b["y"], n * c.M + m, x, w, n, m);
}

}  // namespace

TEST_CASE("products by matrix units: plain weights, rows, columns and k around the tile") {
  for (const kir::Target& target : mma_targets()) check_mma(target, {DType::f32, DType::f16, 65, 37, 67});
  const kir::Target target = with_mma(16, 8, 16);
  for (const DType x : {DType::f32, DType::f16, DType::bf16})
    for (const DType w : {DType::f32, DType::f16, DType::bf16}) check_mma(target, {x, w, 3, 32, 5});
  for (const std::int64_t N : {1, 64, 130}) check_mma(target, {DType::f32, DType::f32, N, 33, 64});
}

TEST_CASE("products by matrix units: every block format") {
  for (const DType w : block_dtypes())
    check_mma(with_mma(16, 8, 16), {DType::f32, w, 3, block_code(w).size == 32 ? 96 : 512, 5});
  check_mma(with_mma(16, 16, 16), {DType::f32, DType::q4_k, 17, 256, 70});
}

TEST_CASE("products by matrix units: siblings, a bias and a residual") {
  const std::int64_t N = 20, K = 64;
  const Stored x(DType::f32, N, K, 1), a(DType::q8_0, 70, K, 2), c(DType::q4_1, 70, K, 3), bias(DType::f32, 1, 70, 4),
      residual(DType::f32, N, 70, 5);
  for (const kir::Target& target : mma_targets()) {
    Product p = {.name = "p", .rows = {512, "N"}, .inner = {K}};
    p.weights = {{.name = "a", .dtype = DType::q8_0, .columns = {70}, .bias = "bias"},
                 {.name = "c", .dtype = DType::q4_1, .columns = {70}}};
    const Pointwise plain = {.axes = {p.rows, {70}}, .given = {DType::f32}};
    p.siblings = Siblings::stacked;
    p.tails = {plain, plain};
    p.tails[0].outputs = {{"y", DType::f32, 0}};
    p.tails[1].inputs = {{"residual", DType::f32, {true, true}}};
    p.tails[1].steps = {{"sum", [](Exprs v) { return v[0] + v[1]; }, {0, 1}, DType::f32}};
    p.tails[1].outputs = {{"z", DType::f32, 2}};
    Buffers b = {{"x", x.data},
                 {"a", a.data},
                 {"c", c.data},
                 {"bias", bias.data},
                 {"residual", residual.data},
                 {"y", Data(DType::f32, N * 70)},
                 {"z", Data(DType::f32, N * 70)}};
    run(mma_product(target, p), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < 70; ++m) {
        check(b["y"], n * 70 + m, x, a, n, m, bias.at(0, m));
        check(b["z"], n * 70 + m, x, c, n, m, residual.at(n, m));
      }
    // Zipped: one tail sees both.
    p.siblings = Siblings::zipped;
    p.weights[0].bias = "";
    p.tails = {{.axes = {p.rows, {70}},
                .given = {DType::f32, DType::f32},
                .outputs = {{"y", DType::f32, 0}, {"z", DType::f32, 1}}}};
    b["y"] = b["z"] = Data(DType::f32, N * 70);
    run(mma_product(target, p), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < 70; ++m) {
        check(b["y"], n * 70 + m, x, a, n, m);
        check(b["z"], n * 70 + m, x, c, n, m);
      }
  }
}

TEST_CASE("what matrix units do not serve says why") {
  Product p = {.name = "p", .rows = {512, "N"}, .inner = {64}};
  p.weights = {{.name = "w", .dtype = DType::q8_0, .columns = {64}}};
  const kir::Target target = with_mma(16, 8, 16);
  CHECK(why_no_mma(target, p).empty());
  CHECK_THAT(why_no_mma({.lanes = 32}, p), Catch::Contains("no matrix units"));
  CHECK(why_no_mma({.lanes = 32, .mma = MmaShape{.m = 16, .n = 8, .k = 32, .operand = DType::i8, .sum = DType::i32}},
                   p) == "no schedule for fragments of 16x8x32");
  p.rows = {1};
  CHECK(why_no_mma(target, p) == "at most 1 rows");
  p.rows = {512, "N"};
  p.x = DType::f64;
  CHECK(why_no_mma(target, p) == "x is f64");
  CHECK_THROWS_WITH(mma_product(target, p), "[kernel p] no product by matrix units: x is f64");
  p.x = DType::f32;
  p.weights[0].by_rows = false;
  CHECK(why_no_mma(target, p) == "w lies by columns");
}
