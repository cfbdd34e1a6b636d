// SPDX-License-Identifier: Apache-2.0
// Products of panels by matrix units of bf16, in the interpreter, against f64 loops over operands that were rounded to
// bf16.
#include "codegen/kernels/outer_mma.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "codegen/kernels/bf16_rows.h"
#include "codegen/kernels/norm.h"
#include "openinfer/error.h"
#include "openinfer/half.h"
#include "stored.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Exprs = std::span<const ScalarExpr>;
using Siblings = Product::Siblings;

kir::Target with_tiles(bool fast_fma = true) {
  return {.lanes = 16,
          .fast_fma = fast_fma,
          .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
}

double bf16_of(double x) { return bfloat_to_float(float_to_bfloat(static_cast<float>(x))); }

/// x (N, K) as rows of bf16, with NaN wherever no element of x is.
Data bf16_rows(const Stored& x, std::int64_t N) {
  const std::int64_t stride = bf16_stride(x.n);
  Data rows(DType::bf16, (N + kBf16SpareRows) * stride);
  for (std::int64_t i = 0; i < rows.count(); ++i) rows.set(i, std::numeric_limits<double>::quiet_NaN());
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t k = 0; k < x.n; ++k) rows.set(n * stride + k, x.at(n, k));
  return rows;
}

/// Products of two bf16 are exact in f32, sums in any order differ by K eps Σ|x·w| (Higham 2002, 3.1). A decoded
/// element may be rounded to either neighbour where the two ways to compute it in f32 differ: 2^-8 of it, for few.
/// `added`: behind the sum, once.
Near rounded_product(const Stored& x, const Stored& w, std::int64_t n, std::int64_t m, double added = 0) {
  Near sum = {added, std::abs(added)};
  double near_ties = 0;
  for (std::int64_t k = 0; k < x.n; ++k) {
    const double a = bf16_of(x.at(n, k)), b = w.at(m, k), rounded = bf16_of(b);
    sum.value += a * rounded;
    sum.bound += std::abs(a * rounded);
    // How far decoding in f32 may be off: the scaled quant and the minimum are rounded, at most 4 · the largest |w|.
    const double slack = 3 * 0x1p-24 * 4 * w.largest();
    if (bf16_of(b - slack) != bf16_of(b + slack)) near_ties += std::abs(a) * std::max(std::abs(b) * 0x1p-7, slack);
  }
  sum.bound = sum.bound * static_cast<double>(x.n + 2) * 0x1p-24 + near_ties + 1e-30;
  return sum;
}

Layout layout_of(const Stored& w) { return is_half(w.dtype) ? Layout::rows : Layout::panel16; }
Data data_of(const Stored& w) { return is_half(w.dtype) ? w.data : panels(w); }

Product panels_product(const std::vector<const Stored*>& weights, std::int64_t K, Extent rows, Siblings siblings) {
  Product p = {.name = "p", .x = DType::bf16, .rows = rows, .inner = {K}, .siblings = siblings};
  p.bf16 = true;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto M = static_cast<std::int64_t>(weights[i]->values.size()) / K;
    const std::string number = std::to_string(i);
    p.weights.push_back(
        {.name = "w" + number, .dtype = weights[i]->dtype, .columns = {M}, .layout = layout_of(*weights[i])});
    p.tails.push_back({.axes = {rows, {M}}, .given = {DType::f32}, .outputs = {{"y" + number, DType::f32, 0}}});
  }
  return p;
}

void check_outer_mma(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t K, std::int64_t M,
                     bool known = false) {
  INFO(name(dtype) << ": " << N << ", " << K << ", " << M);
  const Stored x(DType::f32, N, K, 11), w(dtype, M, K, 12);
  const Product p = panels_product({&w}, K, known ? Extent{N} : Extent{512, "N"}, Siblings::one);
  Buffers b = {{"x", bf16_rows(x, N)}, {"w0", data_of(w)}, {"y0", Data(DType::f32, N * M)}};
  run(product(target, p), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t m = 0; m < M; ++m) check(b["y0"], n * M + m, rounded_product(x, w, n, m));
}

}  // namespace

TEST_CASE("products of panels by matrix units: each format, rows, columns and k around the tile") {
  for (const DType dtype :
       {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k})
    check_outer_mma(with_tiles(), dtype, 5, 2 * info(dtype).block_size, 48);
  for (const std::int64_t N : {1, 31, 32, 33, 65})
    for (const std::int64_t M : {16, 32, 80}) check_outer_mma(with_tiles(false), DType::q4_1, N, 32, M);
  check_outer_mma(with_tiles(), DType::q8_0, 37, 96, 64, true);
  kir::Target chunks = with_tiles();
  chunks.tuned["mma_chunk"] = 64;
  check_outer_mma(chunks, DType::q4_0, 150, 32, 32);
}

TEST_CASE("products of rows of f16 and bf16 by matrix units: rows, columns and k around the tile") {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    for (const std::int64_t M : {1, 16, 31, 32, 70}) check_outer_mma(with_tiles(), dtype, 33, 64, M);
    check_outer_mma(with_tiles(), dtype, 37, 160, 48, true);
  }
}

TEST_CASE("products of panels by matrix units: siblings, a bias and a residual") {
  const std::int64_t N = 40, K = 64;
  const Stored x(DType::f32, N, K, 1), q(DType::q4_1, 48, K, 2), k(DType::q8_0, 16, K, 3), bias(DType::f32, 1, 48, 4),
      residual(DType::f32, N, 16, 5);
  Product p = panels_product({&q, &k}, K, {512, "N"}, Siblings::stacked);
  p.weights[0].bias = "bias";
  p.tails[1].inputs = {{"residual", DType::f32, {true, true}}};
  p.tails[1].steps = {{"sum", [](Exprs v) { return v[0] + v[1]; }, {0, 1}, DType::f32}};
  p.tails[1].outputs = {{"y1", DType::f32, 2}};
  Buffers b = {{"x", bf16_rows(x, N)},    {"w0", panels(q)},   {"w1", panels(k)},          {"y0", Data(f32, N * 48)},
               {"y1", Data(f32, N * 16)}, {"bias", bias.data}, {"residual", residual.data}};
  run(product(with_tiles(), p), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t m = 0; m < 48; ++m) check(b["y0"], n * 48 + m, rounded_product(x, q, n, m, bias.at(0, m)));
    for (std::int64_t m = 0; m < 16; ++m) check(b["y1"], n * 16 + m, rounded_product(x, k, n, m, residual.at(n, m)));
  }
  const Stored v(DType::q4_0, 48, K, 6);
  Product zipped = panels_product({&q, &v}, K, {512, "N"}, Siblings::zipped);
  zipped.tails = {{.axes = {zipped.rows, {48}},
                   .given = {DType::f32, DType::f32},
                   .outputs = {{"y0", DType::f32, 0}, {"y1", DType::f32, 1}}}};
  b["w1"] = panels(v);
  b["y1"] = Data(f32, N * 48);
  run(product(with_tiles(), zipped), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t m = 0; m < 48; ++m) {
      check(b["y0"], n * 48 + m, rounded_product(x, q, n, m));
      check(b["y1"], n * 48 + m, rounded_product(x, v, n, m));
    }
}

TEST_CASE("rows of bf16: by a kernel of their own, and by a norm beside its result") {
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      const std::int64_t N = 3, width = 96, stride = bf16_stride(width);
      const Data x(dtype, noise(N * width));
      Buffers b = {{"x", x}, {"y", Data(DType::bf16, N * stride)}};
      run(to_bf16(target, {"to_bf16", "x", "y", dtype, {1 << 16, "N"}, {width}}), b, {{"N", N}});
      Norm what = {.rows = {1 << 16, "rows"}, .width = {width}, .x = dtype};
      what.bf16 = "halves";
      Buffers n = {{"x", x},
                   {"w", Data(DType::f32, noise(width, 2))},
                   {"y", Data(dtype, N * width)},
                   {"halves", Data(DType::bf16, N * stride)}};
      run(norm(target, "norm", what), n, {{"rows", N}});
      for (std::int64_t row = 0; row < N; ++row)
        for (std::int64_t i = 0; i < width; ++i) {
          CHECK(b["y"][row * stride + i] == bf16_of(x[row * width + i]));
          const double y = n["y"][row * width + i];  // rounded to x's dtype itself
          CHECK(std::abs(n["halves"][row * stride + i] - y) <= (0x1p-8 + 2 * rounding(dtype)) * std::abs(y));
        }
    }
}

TEST_CASE("what matrix units of bf16 do not serve says why") {
  const Extent many = {512, "N"};
  CHECK(why_no_outer_mma(with_tiles(), many, 576, 2).empty());
  CHECK_THAT(why_no_outer_mma({.lanes = 16}, many, 576, 1), Catch::Contains("no matrix units"));
  CHECK(why_no_outer_mma({.lanes = 16, .mma = MmaShape{.m = 16, .n = 8, .k = 16}}, many, 576, 1) ==
        "no schedule over panels for fragments of 16x8x16");
  CHECK(why_no_outer_mma(with_tiles(), {8, "N"}, 576, 1) == "at most 8 rows");
  CHECK(why_no_outer_mma(with_tiles(), many, 32768, 1) ==
        "32 columns of 32768 are 2097152 bytes in bf16, more than 1048576");
  const Stored w(DType::q8_0, 16, 64, 1);
  Product p = panels_product({&w}, 64, {8, "N"}, Siblings::one);
  CHECK_THROWS_WITH(product(with_tiles(), p), Catch::Contains("by matrix units: at most 8 rows"));
  p.rows = many;
  p.x = DType::f32;
  CHECK_THROWS_WITH(product(with_tiles(), p), Catch::Contains("x lies in rows of bf16"));
  p.weights[0].layout = Layout::rows;
  CHECK_THROWS_WITH(product(with_tiles(), p), Catch::Contains("w0 is no panel nor rows of halves"));
  p.weights[0].dtype = DType::f16;
  p.weights[0].by_rows = false;
  CHECK_THROWS_WITH(product(with_tiles(), p), Catch::Contains("w0 is no panel nor rows of halves"));
  CHECK(why_no_outer_mma(with_tiles(), many, 48, 1) == "48 is no multiple of 32");
}
