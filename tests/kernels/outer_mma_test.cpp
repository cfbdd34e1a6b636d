// SPDX-License-Identifier: Apache-2.0
// Products of panels by matrix units of bf16, in the interpreter, against f64 loops over operands that were rounded to
// bf16.
#include "codegen/kernels/outer_mma.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "bf16_products.h"
#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/norm.h"
#include "openinfer/error.h"

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

}  // namespace

TEST_CASE("products of panels by matrix units: each format, rows, columns and k around the tile") {
  for (const DType dtype :
       {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k})
    check_bf16_product(with_tiles(), dtype, 5, 2 * info(dtype).block_size, 48);
  for (const std::int64_t N : {1, 31, 32, 33, 65})
    for (const std::int64_t M : {16, 32, 80}) check_bf16_product(with_tiles(false), DType::q4_1, N, 32, M);
  check_bf16_product(with_tiles(), DType::q8_0, 37, 96, 64, true);
  kir::Target chunks = with_tiles();
  chunks.tuned["mma_chunk"] = 64;
  check_bf16_product(chunks, DType::q4_0, 150, 32, 32);
}

TEST_CASE("products of rows of f16 and bf16 by matrix units: rows, columns and k around the tile") {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    for (const std::int64_t M : {1, 16, 31, 32, 70}) check_bf16_product(with_tiles(), dtype, 33, 64, M);
    check_bf16_product(with_tiles(), dtype, 37, 160, 48, true);
  }
}

TEST_CASE("products of panels by matrix units: siblings, a bias and a residual") {
  const std::int64_t N = 40, K = 64;
  const Stored x(DType::f32, N, K, 1), q(DType::q4_1, 48, K, 2), k(DType::q8_0, 16, K, 3), bias(DType::f32, 1, 48, 4),
      residual(DType::f32, N, 16, 5);
  Product p = bf16_product({&q, &k}, K, {512, "N"}, Siblings::stacked);
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
  Product zipped = bf16_product({&q, &v}, K, {512, "N"}, Siblings::zipped);
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
      run(apart_rows(target, {"to_bf16", "x", "y", dtype, DType::bf16, {1 << 16, "N"}, {width}}), b, {{"N", N}});
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

TEST_CASE("rows of f32 that lie apart are the rows as they were") {
  for (const kir::Target& target : targets())
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      const std::int64_t N = 3, width = 70, stride = f32_stride(width);
      const Data x(dtype, noise(N * width));
      Buffers b = {{"x", x}, {"y", Data(DType::f32, N * stride)}};
      run(apart_rows(target, {"to_apart", "x", "y", dtype, DType::f32, {1 << 16, "N"}, {width}}), b, {{"N", N}});
      for (std::int64_t row = 0; row < N; ++row)
        for (std::int64_t i = 0; i < width; ++i) CHECK(b["y"][row * stride + i] == x[row * width + i]);
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
  Product p = bf16_product({&w}, 64, {8, "N"});
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
