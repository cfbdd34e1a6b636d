// SPDX-License-Identifier: Apache-2.0
// Products of many rows by dot products of pairs of bf16, in the interpreter, against f64 loops over operands that were
// rounded to bf16.
#include <catch2/catch.hpp>
#include <cmath>

#include "bf16_products.h"
#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/outer_tiles.h"
#include "openinfer/error.h"
#include "tests/sanitizers.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Siblings = Product::Siblings;
using Exprs = std::span<const ScalarExpr>;

/// More and less than what there is of rows, columns and k, and as a row of the device database.
std::vector<kir::Target> pair_targets() {
  std::vector<kir::Target> all;
  for (kir::Target target : targets()) {
    target.tuned = {{"tile_depth", 64}, {"outer_chunk", 20}, {"tile_panels", 2}, {"tile_rows", 6}};
    all.push_back(target);
  }
  all.push_back({.lanes = 16, .fast_fma = true, .core_cache = true});
  all.back().tuned = {{"tile_depth", 128}, {"tile_panels", 3}, {"tile_rows", 8}};
  for (kir::Target& target : all) target.bf16_dot = true;
  return all;
}

const std::vector<DType> kPairFormats = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                                         DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};

}  // namespace

TEST_CASE("products of panels by pairs of bf16: each format, what is left of rows, columns and k") {
  for (const kir::Target& target : pair_targets()) {
    for (const DType w : kPairFormats) {
      if (!is_looked_at(w)) continue;
      check_bf16_product(target, w, 9, info(w).block_size, 16);
      check_bf16_product(target, w, kFewer == 1 ? 37 : 13, info(w).block_size == 256 ? 256 : 3 * 32, 80, true);
    }
    for (const std::int64_t N : {1, 3, 6, 8, 24, 25, 53}) check_bf16_product(target, DType::q4_1, N, 96, 48);
  }
}

TEST_CASE("products of rows of floats by pairs of bf16") {
  for (const kir::Target& target : pair_targets()) {
    if (target.subgroups != 1) continue;
    for (const DType w : {DType::f16, DType::bf16, DType::f32})
      for (const std::int64_t M : {1, 31, 48, 70}) check_bf16_product(target, w, kFewer == 1 ? 37 : 33, 96, M, M != 31);
    for (const std::int64_t N : {1, 9, kFewer == 1 ? 130 : 34}) check_bf16_product(target, DType::f16, N, 160, 24);
  }
}

TEST_CASE("products by pairs of bf16: siblings, a bias and a residual") {
  const std::int64_t N = 40, K = 64;
  for (const kir::Target& target : pair_targets()) {
    const Stored x(DType::f32, N, K, 1), q(DType::q4_1, 48, K, 2), k(DType::q8_0, 16, K, 3), v(DType::q4_0, 48, K, 6),
        bias(DType::f32, 1, 48, 4), residual(DType::f32, N, 16, 5);
    Product p = bf16_product({&q, &k}, K, {512, "N"}, Siblings::stacked);
    p.weights[0].bias = "bias";
    p.tails[1].inputs = {{"residual", DType::f32, {true, true}}};
    p.tails[1].steps = {{"sum", [](Exprs e) { return e[0] + e[1]; }, {0, 1}, DType::f32}};
    p.tails[1].outputs = {{"y1", DType::f32, 2}};
    Buffers b = {{"x", bf16_rows(x, N)},    {"w0", panels(q)},   {"w1", panels(k)},          {"y0", Data(f32, N * 48)},
                 {"y1", Data(f32, N * 16)}, {"bias", bias.data}, {"residual", residual.data}};
    run(product(target, p), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t m = 0; m < 48; ++m) check(b["y0"], n * 48 + m, rounded_product(x, q, n, m, bias.at(0, m)));
      for (std::int64_t m = 0; m < 16; ++m) check(b["y1"], n * 16 + m, rounded_product(x, k, n, m, residual.at(n, m)));
    }
    Product zipped = bf16_product({&q, &v}, K, {512, "N"}, Siblings::zipped);
    zipped.tails = {{.axes = {zipped.rows, {48}},
                     .given = {DType::f32, DType::f32},
                     .outputs = {{"y0", DType::f32, 0}, {"y1", DType::f32, 1}}}};
    b["w1"] = panels(v);
    b["y1"] = Data(f32, N * 48);
    run(product(target, zipped), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < 48; ++m) {
        check(b["y0"], n * 48 + m, rounded_product(x, q, n, m));
        check(b["y1"], n * 48 + m, rounded_product(x, v, n, m));
      }
  }
}

TEST_CASE("products by pairs of bf16: a NaN or an infinity spoils its row, a scale its column, nothing else") {
  const std::int64_t N = 13, K = 64, M = 32;
  for (const kir::Target& target : pair_targets()) {
    const Stored x(DType::f32, N, K, 1);
    Stored w(DType::q8_0, M, K, 2);
    w.data.bytes()[(5 * 2 + 1) * 34 + 1] = std::byte{0x7e};   // column 5: no number
    w.data.bytes()[(21 * 2 + 0) * 34 + 0] = std::byte{0x00};  // column 21: infinite
    w.data.bytes()[(21 * 2 + 0) * 34 + 1] = std::byte{0x7c};
    Data rows = bf16_rows(x, N);
    rows.set(3 * bf16_stride(K) + 33, NAN);
    rows.set(9 * bf16_stride(K) + 2, INFINITY);
    Buffers b = {{"x", rows}, {"w0", panels(w)}, {"y0", Data(f32, N * M)}};
    run(product(target, bf16_product({&w}, K, {512, "N"})), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < M; ++m) {
        INFO("row " << n << ", column " << m);
        const double y = b["y0"][n * M + m];
        if (n == 3 || m == 5)
          CHECK(std::isnan(y));
        else
          CHECK(std::isfinite(y) == (n != 9 && m != 21));
      }
  }
}

TEST_CASE("products by pairs of bf16: a row has the same bits among any number of rows") {
  const std::int64_t K = 160, M = 48, stride = bf16_stride(K);
  for (const kir::Target& target : pair_targets()) {
    const Stored x(DType::f32, 61, K, 11), w(DType::q5_0, M, K, 12);
    const Data all_rows = bf16_rows(x, 61);
    const auto product_of_rows = [&](std::int64_t first, std::int64_t N) {
      Data rows(DType::bf16, (N + kBf16SpareRows) * stride);
      for (std::int64_t i = 0; i < N * stride; ++i) rows.set(i, all_rows[first * stride + i]);
      Buffers b = {{"x", rows}, {"w0", panels(w)}, {"y0", Data(f32, N * M)}};
      run(product(target, bf16_product({&w}, K, {512, "N"})), b, {{"N", N}});
      return b["y0"].values();
    };
    const std::vector<double> all = product_of_rows(0, 61);
    for (const auto& [first, N] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {7, 2}, {23, 25}, {60, 1}}) {
      const std::vector<double> some = product_of_rows(first, N);
      CHECK(std::equal(some.begin(), some.end(), all.begin() + first * M));
    }
  }
}

TEST_CASE("what pairs of bf16 do not serve says why") {
  const kir::Target target = pair_targets().back();
  kir::Target without = target;
  without.bf16_dot = false;
  const Extent many = {512, "N"};
  CHECK(why_no_bf16_tiles(target, many, 576).empty());
  CHECK(why_no_bf16_tiles(without, many, 576) == "no kernel for the device multiplies bf16 faster than f32");
  CHECK(why_no_bf16_tiles(target, {8, "N"}, 576) == "at most 8 rows");
  CHECK(why_no_bf16_tiles(target, many, 48) == "48 is no multiple of 32");
  CHECK(why_no_bf16_tiles({.lanes = 16, .bf16_dot = true}, many, 576) ==
        "the device has no depth for tiles of weights");
  const Stored w(DType::q8_0, 16, 64, 1);
  Product p = bf16_product({&w}, 64, many);
  CHECK(why_no_outer_tiles(target, p).empty());
  CHECK_THROWS_WITH(outer_tiles(without, p), Catch::Contains("no kernel for the device multiplies bf16"));
  p.weights[0].layout = Layout::rows;
  CHECK_THROWS_WITH(product(target, p), Catch::Contains("w0 is neither panels nor rows of floats"));
  p.rows = {8, "N"};
  CHECK_THROWS_WITH(product(target, p), Catch::Contains("at most 8 rows"));
}
