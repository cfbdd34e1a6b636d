// SPDX-License-Identifier: Apache-2.0
// Products of a few rows over rows of floats, in the interpreter, against f64 loops: in f32, and by dot products of
// pairs of bf16 over operands that were rounded so.
#include "codegen/kernels/few_rows.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "bf16_products.h"
#include "codegen/kernels/apart_rows.h"
#include "openinfer/error.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Siblings = Product::Siblings;
using Exprs = std::span<const ScalarExpr>;

/// Those with one subgroup: more and fewer lanes than a call has columns, and than k has pairs.
std::vector<kir::Target> column_targets() {
  std::vector<kir::Target> all = {{.lanes = 1}, {.lanes = 2}, {.lanes = 8}, {.lanes = 16}, {.lanes = 32}};
  for (kir::Target& target : all) target.bf16_dot = true;
  all.push_back(all[3]);
  all.back().tuned["columns_ahead"] = 0;
  return all;
}

/// In f32: rows in registers that divide a tile and that do not, with fused multiply-adds and without.
std::vector<kir::Target> float_targets() {
  std::vector<kir::Target> all = column_targets();
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].bf16_dot = false;
    all[i].fast_fma = i % 2 == 0;
    all[i].tuned["few_rows_at_once"] = std::vector{4, 3, 8, 1, 5, 4}[i];
  }
  return all;
}

const Extent kFew = {8, "N"};
const std::vector<DType> kFloats = {DType::f16, DType::bf16, DType::f32};

Product float_product(DType x, DType w, const Extent& rows, std::int64_t K, std::int64_t M) {
  return {.name = "p",
          .x = x,
          .rows = rows,
          .inner = {K},
          .weights = {{.name = "w", .dtype = w, .columns = {M}}},
          .tails = {{.axes = {rows, {M}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}}};
}

/// Each product is rounded once or not at all and the sum K times at most: (K + 1) eps Σ|x·w| (Higham 2002, 3.1).
void check_float_product(const kir::Target& target, DType x_type, DType w_type, std::int64_t N, std::int64_t K,
                         std::int64_t M, const Extent& rows) {
  INFO(target.lanes << " lanes, " << name(x_type) << " x " << name(w_type) << ": " << N << ", " << K << ", " << M);
  const Stored x(x_type, N, K, 11), w(w_type, M, K, 12);
  const Product p = float_product(x_type, w_type, rows, K, M);
  Buffers b = {{"x", x.data}, {"w", w.data}, {"y", Data(f32, N * M)}};
  run(product(target, p), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t m = 0; m < M; ++m) {
      Near wanted;
      for (std::int64_t k = 0; k < K; ++k) {
        wanted.value += x.at(n, k) * w.at(m, k);
        wanted.bound += std::abs(x.at(n, k) * w.at(m, k));
      }
      wanted.bound *= static_cast<double>(K + 1) * rounding(DType::f32);
      check(b["y"], n * M + m, wanted);
    }
}

}  // namespace

TEST_CASE("rows of floats in f32: a few rows, what is left of rows, columns and of k") {
  for (const kir::Target& target : float_targets()) {
    for (std::int64_t N = 1; N <= 10; ++N) check_float_product(target, DType::f32, DType::f16, N, 37, 26, {19, "N"});
    for (std::int64_t N = 2; N <= 9; ++N) check_float_product(target, DType::f32, DType::bf16, N, 70, 24, Extent{N});
    for (const DType x : kFloats)
      for (const DType w : kFloats) {
        for (const std::int64_t K : {1, 31, 32, 96}) check_float_product(target, x, w, 5, K, 7, kFew);
        for (const std::int64_t M : {1, 2, 3, 23, 25, 48, 50}) check_float_product(target, x, w, 3, 33, M, Extent{3});
      }
  }
}

TEST_CASE("rows of floats in f32: a row has the same bits among any rows, and what is not finite stays in its own") {
  const std::int64_t K = 90, M = 29;
  for (const kir::Target& target : float_targets()) {
    Stored x(DType::f32, 19, K, 11);
    const Stored w(DType::f16, M, K, 12);
    x.data.set(4 * K + 89, NAN);
    const auto product_of_rows = [&](std::int64_t first, std::int64_t N, const Extent& rows_of) {
      Data rows(DType::f32, N * K);
      for (std::int64_t i = 0; i < N * K; ++i) rows.set(i, x.data[first * K + i]);
      Buffers b = {{"x", rows}, {"w", w.data}, {"y", Data(f32, N * M)}};
      run(product(target, float_product(DType::f32, DType::f16, rows_of, K, M)), b, {{"N", N}});
      return b["y"].values();
    };
    const std::vector<double> all = product_of_rows(0, 19, {32, "N"});
    for (std::int64_t i = 0; i < 19 * M; ++i) CHECK(std::isnan(all[i]) == (i / M == 4));
    for (const auto& [first, N] : {std::pair<std::int64_t, std::int64_t>{0, 2}, {18, 1}, {5, 3}, {7, 8}})
      for (const Extent& rows_of : {kFew, Extent{std::max<std::int64_t>(N, 2), "N"}, Extent{N}}) {
        const std::vector<double> some = product_of_rows(first, N, rows_of);  // one known row: by matvec
        CHECK(std::equal(some.begin(), some.end(), all.begin() + first * M));
      }
  }
}

TEST_CASE("columns by pairs of bf16: a few rows, what is left of columns and of k") {
  for (const kir::Target& target : column_targets()) {
    for (std::int64_t N = 1; N <= 8; ++N) check_bf16_product(target, DType::f16, N, 38, 21, kFew);
    for (const std::int64_t N : {1, 8, 9, 15, 31, 32}) check_bf16_product(target, DType::f16, N, 38, 21, {32, "N"});
    for (const std::int64_t N : {9, 24}) check_bf16_product(target, DType::f16, N, 34, 17, Extent{N});
    for (std::int64_t N = 2; N <= 8; ++N) check_bf16_product(target, DType::bf16, N, 70, 16, Extent{N});
    for (const DType w : kFloats) {
      for (const std::int64_t K : {2, 30, 32, 34, 96}) check_bf16_product(target, w, 5, K, 7, kFew);
      for (const std::int64_t M : {1, 3, 4, 15, 17, 32, 44}) check_bf16_product(target, w, 3, 66, M, Extent{3});
    }
  }
}

TEST_CASE("columns by pairs of bf16: siblings, a bias and a residual") {
  const std::int64_t N = 7, K = 44;
  for (const kir::Target& target : column_targets()) {
    const Stored x(DType::f32, N, K, 1), q(DType::f16, 37, K, 2), k(DType::bf16, 16, K, 3), v(DType::f32, 37, K, 6),
        bias(DType::f16, 1, 37, 4), residual(DType::f32, N, 16, 5);
    Product p = bf16_product({&q, &k}, K, kFew, Siblings::stacked);
    p.weights[0].bias = "bias";
    p.weights[0].bias_dtype = DType::f16;
    p.tails[1].inputs = {{"residual", DType::f32, {true, true}}};
    p.tails[1].steps = {{"sum", [](Exprs e) { return e[0] + e[1]; }, {0, 1}, DType::f32}};
    p.tails[1].outputs = {{"y1", DType::f32, 2}};
    Buffers b = {{"x", bf16_rows(x, N)},
                 {"w0", q.data},
                 {"w1", k.data},
                 {"y0", Data(f32, N * 37)},
                 {"y1", Data(f32, N * 16)},
                 {"bias", bias.data},
                 {"residual", residual.data}};
    run(product(target, p), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t m = 0; m < 37; ++m) check(b["y0"], n * 37 + m, rounded_product(x, q, n, m, bias.at(0, m)));
      for (std::int64_t m = 0; m < 16; ++m) check(b["y1"], n * 16 + m, rounded_product(x, k, n, m, residual.at(n, m)));
    }
    Product zipped = bf16_product({&q, &v}, K, kFew, Siblings::zipped);
    zipped.tails = {{.axes = {zipped.rows, {37}},
                     .given = {DType::f32, DType::f32},
                     .outputs = {{"y0", DType::f32, 0}, {"y1", DType::f32, 1}}}};
    b["w1"] = v.data;
    b["y1"] = Data(f32, N * 37);
    run(product(target, zipped), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < 37; ++m) {
        check(b["y0"], n * 37 + m, rounded_product(x, q, n, m));
        check(b["y1"], n * 37 + m, rounded_product(x, v, n, m));
      }
  }
}

TEST_CASE("columns by pairs of bf16: what is not finite spoils its row or column, and no other") {
  const std::int64_t N = 8, K = 34, M = 19;
  for (const kir::Target& target : column_targets()) {
    const Stored x(DType::f32, N, K, 1);
    Stored w(DType::f16, M, K, 2);
    w.data.set(5 * K + 33, NAN);
    w.data.set(18 * K + 2, INFINITY);
    Data rows = bf16_rows(x, N);
    rows.set(3 * bf16_stride(K) + 33, NAN);
    rows.set(6 * bf16_stride(K) + 2, INFINITY);
    Buffers b = {{"x", rows}, {"w0", w.data}, {"y0", Data(f32, N * M)}};
    run(product(target, bf16_product({&w}, K, kFew)), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < M; ++m) {
        INFO("row " << n << ", column " << m);
        const double y = b["y0"][n * M + m];
        if (n == 3 || m == 5)
          CHECK(std::isnan(y));
        else
          CHECK(std::isfinite(y) == (n != 6 && m != 18));
      }
  }
}

TEST_CASE("columns by pairs of bf16: a row has the same bits among any rows, however many there may be") {
  const std::int64_t K = 90, M = 21, stride = bf16_stride(K);
  for (const kir::Target& target : column_targets()) {
    const Stored x(DType::f32, 19, K, 11), w(DType::f16, M, K, 12);
    const Data all_rows = bf16_rows(x, 19);
    const auto product_of_rows = [&](std::int64_t first, std::int64_t N, const Extent& rows_of) {
      Data rows(DType::bf16, (N + kBf16SpareRows) * stride);
      for (std::int64_t i = 0; i < N * stride; ++i) rows.set(i, all_rows[first * stride + i]);
      Buffers b = {{"x", rows}, {"w0", w.data}, {"y0", Data(f32, N * M)}};
      run(product(target, bf16_product({&w}, K, rows_of)), b, {{"N", N}});
      return b["y0"].values();
    };
    const std::vector<double> all = product_of_rows(0, 19, {32, "N"});
    for (const auto& [first, N] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {18, 1}, {2, 3}, {7, 8}})
      for (const Extent& rows_of : {kFew, Extent{std::max<std::int64_t>(N, 2), "N"}}) {
        const std::vector<double> some = product_of_rows(first, N, rows_of);
        CHECK(std::equal(some.begin(), some.end(), all.begin() + first * M));
      }
  }
}

TEST_CASE("what few rows do not serve says why") {
  const kir::Target target = column_targets().back();
  kir::Target without = target, several = target;
  without.bf16_dot = false;
  several.subgroups = 4;
  CHECK(why_no_few_bf16_rows(target, kFew, 38).empty());
  CHECK(why_no_few_bf16_rows(without, kFew, 38) == "no kernel for the device multiplies bf16 faster than f32");
  CHECK(why_no_few_bf16_rows(several, kFew, 38) == "a workgroup has several subgroups");
  CHECK(why_no_few_bf16_rows(target, {1}, 38) == "at most 1 rows");
  CHECK(why_no_few_bf16_rows(target, {33, "N"}, 38) == "at most 33 rows");
  CHECK(why_no_few_bf16_rows(target, kFew, 37) == "37 k are no pairs");
  const Stored w(DType::f16, 16, 38, 1);
  Product p = bf16_product({&w}, 38, kFew);
  CHECK(why_no_few_rows(target, p).empty());
  p.weights[0].by_rows = false;
  CHECK(why_no_few_rows(target, p) == "w0 is no rows of floats");
  CHECK_THROWS_WITH(few_rows(target, p), Catch::Contains("w0 is no rows of floats"));
  p.weights[0].by_rows = true;
  p.bf16 = false;
  CHECK(why_no_few_rows(target, p) == "the device has no number of rows for registers");
  const kir::Target tuned = float_targets().front();
  CHECK(why_no_few_rows(tuned, p).empty());
  CHECK(why_no_few_rows(several, p) == "a workgroup has several subgroups");
  p.rows = {1};
  CHECK(why_no_few_rows(tuned, p) == "at most 1 rows");
  p.rows = kFew;
  p.x = DType::f64;
  CHECK(why_no_few_rows(tuned, p) == "sums of f64 stay f64");
  p.x = DType::f32;
  p.int8 = true;
  CHECK(why_no_few_rows(tuned, p) == "x lies in 8-bit blocks");
  p.int8 = false;
  p.experts = {.count = 2};
  CHECK(why_no_few_rows(tuned, p) == "each row of x has an expert of its own");
}
