// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/product.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernels/block_code.h"
#include "openinfer/error.h"
#include "stored.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Exprs = std::span<const ScalarExpr>;
using Siblings = Product::Siblings;

const std::vector<kir::Target>& some_targets() {
  static const std::vector<kir::Target> all = {
      {.lanes = 1}, {.lanes = 16}, {.lanes = 8, .subgroups = 4}, {.lanes = 32, .subgroups = 4}};
  return all;
}
const std::vector<DType> kPlain = {DType::f32, DType::f16, DType::bf16, DType::f64};

/// y[n, m] for x (N, K) and W. In whatever order K products are rounded and added up, the error is at most (K + 1) eps
/// Σ|x·w| (Higham 2002, 3.1). Of blocks, scale · q and minimum are summed apart, each of which is at most the largest
/// |w| here: four times that where signs differ; scales and the reference's elements are rounded to f32 as well.
Near expected(const Stored& x, const Stored& w, bool by_rows, std::int64_t n, std::int64_t m, DType y) {
  const std::int64_t K = x.n;
  const bool blocks = is_block(w.dtype);
  const double most = 4 * w.largest();
  Near sum;
  for (std::int64_t k = 0; k < K; ++k) {
    const double w_k = by_rows ? w.at(m, k) : w.at(k, m);
    sum.value += x.at(n, k) * w_k;
    sum.bound += std::abs(x.at(n, k)) * (blocks ? most : std::abs(w_k));
  }
  const double eps = rounding(x.dtype == DType::f64 && !blocks ? DType::f64 : DType::f32);
  sum.bound *= static_cast<double>(K + (blocks ? 5 : 1)) * eps;
  sum.bound += rounding(y) * std::abs(sum.value) + 1e-300;
  return sum;
}

Extent extent_of(std::int64_t n, bool known) { return known ? Extent{n} : Extent{1 << 16, "N"}; }

struct ProductCase {
  DType x, w;
  std::int64_t N, K, M;
  bool by_rows = true, known = true;
};

/// One weight, one tail that only stores.
void check_plain(const kir::Target& target, const ProductCase& c) {
  INFO(name(c.x) << " x " << name(c.w) << ": " << c.N << ", " << c.K << ", " << c.M
                 << (c.by_rows ? "" : " by columns"));
  const Stored x(c.x, c.N, c.K, 11);
  const Stored w = c.by_rows ? Stored(c.w, c.M, c.K, 12) : Stored(c.w, c.K, c.M, 12);
  Product p = {.name = "p", .x = c.x, .rows = extent_of(c.N, c.known), .inner = {c.K}};
  p.weights = {{.name = "w", .dtype = c.w, .columns = {c.M}, .by_rows = c.by_rows}};
  p.tails = {{.axes = {p.rows, {c.M}}, .given = {c.x}, .outputs = {{"y", c.x, 0}}}};
  Buffers b = {{"x", x.data}, {"w", w.data}, {"y", Data(c.x, c.N * c.M)}, {"iq_codebooks", codebook_data()}};
  run(product(target, p), b, {{"N", c.N}});
  for (std::int64_t n = 0; n < c.N; ++n)
    for (std::int64_t m = 0; m < c.M; ++m) check(b["y"], n * c.M + m, expected(x, w, c.by_rows, n, m, c.x));
}

/// Two choices a row of four experts, x once for a row or once for a choice.
void check_experts(const kir::Target& target, DType x_dtype, DType w_dtype, std::int64_t K, bool shared, bool by_rows) {
  constexpr std::int64_t kExperts = 4, N = 3, J = 2;
  const std::int64_t M = by_rows ? 5 : is_block(w_dtype) ? block_code(w_dtype).size : 5;
  INFO(name(x_dtype) << " x " << name(w_dtype) << (shared ? ", shared" : "") << (by_rows ? "" : ", by columns"));
  const std::vector<double> ids = {3, 0, 1, 1, 2, 3};
  const Stored x(x_dtype, shared ? N : N * J, K, 11);
  const Stored w = by_rows ? Stored(w_dtype, kExperts * M, K, 12) : Stored(w_dtype, kExperts * K, M, 12);
  Product p = {.name = "p", .x = x_dtype, .rows = {1 << 16, "R"}, .inner = {K}};
  p.weights = {{.name = "w", .dtype = w_dtype, .columns = {M}, .by_rows = by_rows}};
  p.tails = {{.axes = {p.rows, {M}}, .given = {x_dtype}, .outputs = {{"y", x_dtype, 0}}}};
  p.experts = {.count = kExperts, .choices = {shared ? J : 1}};
  Buffers b = {{"x", x.data},
               {"ids", Data(DType::i32, ids)},
               {"w", w.data},
               {"y", Data(x_dtype, N * J * M)},
               {"iq_codebooks", codebook_data()}};
  run(product(target, p), b, {{"R", N * J}});
  for (std::int64_t r = 0; r < N * J; ++r) {
    // The expert's matrix alone.
    Stored own = w;
    const auto e = static_cast<std::int64_t>(ids[static_cast<std::size_t>(r)]);
    own.values.erase(own.values.begin(), own.values.begin() + e * K * M);
    for (std::int64_t m = 0; m < M; ++m)
      check(b["y"], r * M + m, expected(x, own, by_rows, shared ? r / J : r, m, x_dtype));
  }
}

double silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE("products of plain weights: every pair of dtypes, rows around the tile of eight") {
  for (const kir::Target& target : some_targets()) {
    for (const DType x : kPlain)
      for (const DType w : kPlain) check_plain(target, {x, w, 3, 37, 11});
    for (const std::int64_t N : {1, 3, 8, 9, 17})
      for (const bool known : {true, false}) check_plain(target, {DType::f32, DType::f16, N, 37, 13, true, known});
    for (const std::int64_t K : {1, 16, 64}) check_plain(target, {DType::f32, DType::f32, 2, K, 1});
  }
}

TEST_CASE("plain columns that are read side by side: one row and tiles of rows, siblings") {
  std::vector<kir::Target> targets = {{.lanes = 1}, {.lanes = 8}, {.lanes = 16}, {.lanes = 16}, {.lanes = 8}};
  targets[2].tuned["columns_at_once"] = 2;
  targets[3].tuned["columns_ahead"] = 0;
  targets[4].tuned["columns_at_once"] = 3;
  for (const kir::Target& target : targets) {
    for (const DType w : kPlain)
      for (const std::int64_t N : {1, 5, 17}) check_plain(target, {DType::f32, w, N, 37, 24});
    check_plain(target, {DType::f64, DType::f16, 1, 37, 16});
    for (const std::int64_t N : {1, 3})
      for (const Siblings siblings : {Siblings::stacked, Siblings::zipped}) {
        const std::int64_t K = 40, M = siblings == Siblings::zipped ? 16 : 8;
        const Stored x(DType::f32, N, K, 1), a(DType::f16, 16, K, 2), c(DType::bf16, M, K, 3);
        Product p = {.name = "p", .rows = {N}, .inner = {K}, .siblings = siblings};
        p.weights = {{.name = "a", .dtype = a.dtype, .columns = {16}}, {.name = "c", .dtype = c.dtype, .columns = {M}}};
        if (siblings == Siblings::zipped)
          p.tails = {{.axes = {p.rows, {M}},
                      .given = {DType::f32, DType::f32},
                      .outputs = {{"y", DType::f32, 0}, {"z", DType::f32, 1}}}};
        else
          p.tails = {{.axes = {p.rows, {16}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}},
                     {.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{"z", DType::f32, 0}}}};
        Buffers b = {{"x", x.data}, {"a", a.data}, {"c", c.data}, {"y", Data(f32, N * 16)}, {"z", Data(f32, N * M)}};
        run(product(target, p), b, {});
        for (std::int64_t n = 0; n < N; ++n) {
          for (std::int64_t m = 0; m < 16; ++m) check(b["y"], n * 16 + m, expected(x, a, true, n, m, DType::f32));
          for (std::int64_t m = 0; m < M; ++m) check(b["z"], n * M + m, expected(x, c, true, n, m, DType::f32));
        }
      }
  }
}

TEST_CASE("products of blocks, each format, one block and several") {
  for (const kir::Target& target : some_targets())
    for (const DType w : block_dtypes()) {
      const std::int64_t size = block_code(w).size;
      if (!few_shaders() || w == DType::q4_1) check_plain(target, {DType::f32, w, 1, size, 5});
      check_plain(target, {DType::f32, w, 3, (size == 32 ? 5 : 2) * size, 3});
    }
  for (const kir::Target& target : some_targets()) {
    for (const std::int64_t N : {8, 9, 17}) check_plain(target, {DType::f32, DType::q4_1, N, 96, 9, true, false});
    for (const DType x : {DType::f16, DType::bf16, DType::f64}) check_plain(target, {x, DType::q4_k, 2, 256, 3});
  }
}

TEST_CASE("products of weights whose elements share bytes, and of 8-bit floats") {
  for (const kir::Target& target : some_targets())
    for (const DType w : packed_dtypes()) {
      if (!few_shaders()) check_plain(target, {DType::f32, w, 1, 40, 5});
      check_plain(target, {DType::f16, w, 9, 520, 3, true, false});
      check_plain(target, {DType::f64, w, 3, 5, 80, false});
    }
}

TEST_CASE("products of weights that lie by columns") {
  for (const kir::Target& target : some_targets()) {
    for (const DType w : kPlain) check_plain(target, {DType::f32, w, 3, 21, 37, false});
    for (const std::int64_t N : {1, 9, 17}) check_plain(target, {DType::f16, DType::f32, N, 5, 131, false, false});
    for (const DType w : {DType::q8_0, DType::q5_1, DType::q6_k, DType::iq4_xs})
      check_plain(target, {DType::f32, w, 2, 7, block_code(w).size * 2, false});
    check_plain(target, {DType::f64, DType::f64, 2, 7, 9, false});
  }
}

TEST_CASE("products of rows with the experts that they chose") {
  for (const kir::Target& target : some_targets())
    for (const bool shared : {true, false}) {
      for (const DType w : kPlain) check_experts(target, DType::f32, w, 21, shared, true);
      for (const DType w : block_dtypes()) {
        if (few_shaders() && !shared && w != DType::q4_1) continue;
        check_experts(target, DType::f32, w, 2 * block_code(w).size, shared, true);
      }
      for (const DType w : {DType::f32, DType::q8_0}) check_experts(target, DType::f16, w, 7, shared, false);
      check_experts(target, DType::f64, DType::f32, 5, shared, true);
    }
}

TEST_CASE("an id that is no expert reads none of what lies outside") {
  for (const kir::Target& target : some_targets()) {
    const Stored x(DType::f32, 2, 8, 1), w(DType::f32, 3 * 4, 8, 2);
    Product p = {.name = "p", .rows = {2}, .inner = {8}};
    p.weights = {{.name = "w", .dtype = DType::f32, .columns = {4}}};
    p.tails = {{.axes = {p.rows, {4}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
    p.experts = {.count = 3};
    Buffers b = {{"x", x.data},
                 {"ids", Data(DType::i32, std::vector<double>{-7, 3})},
                 {"w", w.data},
                 {"y", Data(DType::f32, 8)}};
    run(product(target, p), b);  // fails of itself at an access outside
  }
}

TEST_CASE("a bias and a residual behind a product") {
  const std::int64_t N = 9, K = 64, M = 7;
  const Stored x(DType::f32, N, K, 1), w(DType::q8_0, M, K, 2), bias(DType::f16, 1, M, 3), r(DType::f32, N, M, 4);
  for (const kir::Target& target : some_targets()) {
    Product p = {.name = "p", .rows = {1 << 16, "N"}, .inner = {K}};
    p.weights = {{.name = "w", .dtype = DType::q8_0, .columns = {M}, .bias = "bias", .bias_dtype = DType::f16}};
    p.tails = {{.axes = {p.rows, {M}},
                .given = {DType::f32},
                .inputs = {{"residual", DType::f32, {true, true}}},
                .steps = {{"sum", [](Exprs v) { return v[0] + v[1]; }, {0, 1}, DType::f32}},
                .outputs = {{"y", DType::f32, 2}, {"product", DType::f32, 0}}}};
    Buffers b = {{"x", x.data},        {"w", w.data},           {"bias", bias.data},
                 {"residual", r.data}, {"y", Data(f32, N * M)}, {"product", Data(f32, N * M)}};
    run(product(target, p), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < M; ++m) {
        Near sum = expected(x, w, true, n, m, DType::f32);
        sum.value += bias.at(0, m);
        sum.bound += 2 * rounding(DType::f32) * std::abs(sum.value);  // the addition
        check(b["product"], n * M + m, sum);
        sum.value += r.at(n, m);
        sum.bound += 2 * rounding(DType::f32) * std::abs(sum.value);
        check(b["y"], n * M + m, sum);
      }
  }
}

TEST_CASE("zipped siblings meet in silu(gate) * up, rows and columns") {
  const std::int64_t N = 10, K = 32, M = 32;
  for (const kir::Target& target : some_targets())
    for (const bool by_rows : {true, false}) {
      // Square: either order of storage. Mixed: one of them by columns.
      const Stored x(DType::f32, N, K, 1), gate(DType::q4_0, K, M, 2), up(DType::q8_0, K, M, 3);
      Product p = {.name = "p", .rows = {N}, .inner = {K}, .siblings = Siblings::zipped};
      p.weights = {{.name = "gate", .dtype = gate.dtype, .columns = {M}, .by_rows = true},
                   {.name = "up", .dtype = up.dtype, .columns = {M}, .by_rows = by_rows}};
      p.tails = {{.axes = {{N}, {M}},
                  .given = {DType::f32, DType::f32},
                  .steps = {{"silu", [](Exprs v) { return v[0] / (ScalarExpr(1) + exp(-v[0])); }, {0}, DType::f32},
                            {"y", [](Exprs v) { return v[0] * v[1]; }, {2, 1}, DType::f32}},
                  .outputs = {{"y", DType::f32, 3}}}};
      Buffers b = {{"x", x.data}, {"gate", gate.data}, {"up", up.data}, {"y", Data(f32, N * M)}};
      run(product(target, p), b);
      for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t m = 0; m < M; ++m) {
          const Near g = expected(x, gate, true, n, m, DType::f32), u = expected(x, up, by_rows, n, m, DType::f32);
          Near y = {.value = silu(g.value) * u.value};
          // |silu'| ≤ 1.1; exp, the sum, the quotient and the product are within 4 eps together.
          y.bound = 1.1 * g.bound * std::abs(u.value) + std::abs(silu(g.value)) * u.bound + 1.1 * g.bound * u.bound +
                    8 * rounding(DType::f32) * std::abs(y.value) + 1e-30;
          check(b["y"], n * M + m, y);
        }
    }
}

TEST_CASE("stacked siblings of different widths, formats and tails, rows and columns") {
  const std::int64_t N = 9, K = 32;
  const std::vector<DType> dtypes = {DType::q8_0, DType::f16, DType::f32};
  for (const kir::Target& target : some_targets())
    for (const bool by_rows : {true, false}) {
      const std::vector<std::int64_t> widths = {by_rows ? 17 : 64, 1, 33};
      const Stored x(DType::f32, N, K, 1);
      std::vector<Stored> w;
      Product p = {.name = "p", .rows = {1 << 16, "N"}, .inner = {K}, .siblings = Siblings::stacked};
      Buffers b = {{"x", x.data}};
      for (std::size_t i = 0; i < 3; ++i) {
        const std::int64_t M = widths[i];
        const std::string w_name = "w" + std::to_string(i), y_name = "y" + std::to_string(i);
        w.push_back(by_rows ? Stored(dtypes[i], M, K, 5) : Stored(dtypes[i], K, M, 5));
        p.weights.push_back({.name = w_name, .dtype = dtypes[i], .columns = {M}, .by_rows = by_rows});
        Pointwise tail = {.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{y_name, DType::f32, 0}}};
        if (i == 1) {
          tail.steps = {{"minus", [](Exprs v) { return -v[0]; }, {0}, DType::f32}};
          tail.outputs[0].value = 1;
        }
        p.tails.push_back(tail);
        b[w_name] = w.back().data;
        b[y_name] = Data(f32, N * M);
      }
      run(product(target, p), b, {{"N", N}});
      for (std::size_t i = 0; i < 3; ++i)
        for (std::int64_t n = 0; n < N; ++n)
          for (std::int64_t m = 0; m < widths[i]; ++m) {
            Near y = expected(x, w[i], by_rows, n, m, DType::f32);
            if (i == 1) y.value = -y.value;
            INFO("weight " << i);
            check(b["y" + std::to_string(i)], n * widths[i] + m, y);
          }
    }
}

TEST_CASE("stacked weights of a width that is not known are refused") {
  Product p = {.name = "p", .rows = {1}, .inner = {8}, .siblings = Siblings::stacked};
  for (const char* w : {"a", "b"}) {
    p.weights.push_back({.name = w, .dtype = DType::f32, .columns = {64, "M"}});
    p.tails.push_back({.axes = {{1}, {64, "M"}}, .given = {DType::f32}, .outputs = {{std::string("y") + w, f32, 0}}});
  }
  CHECK_THROWS_WITH(product({}, p), Catch::Contains("[kernel p] stacked weights have known widths"));
}

TEST_CASE("batched products with broadcasting, either order of storage, vectors") {
  const std::int64_t A = 2, B = 3, N = 3, K = 5, M = 37;
  for (const kir::Target& target : some_targets())
    for (const DType dtype : kPlain)
      for (const bool w_by_rows : {false, true})
        for (const int form : {0, 1, 2}) {
          // Which of the leading (A, B) the operands have.
          const std::vector<bool> x_moves = {form != 1, form != 2}, w_moves = {form == 1, form != 1};
          const auto matrices = [&](const std::vector<bool>& moves) { return (moves[0] ? A : 1) * (moves[1] ? B : 1); };
          const auto matrix = [&](const std::vector<bool>& moves, std::int64_t a, std::int64_t c) {
            return (moves[0] ? a : 0) * (moves[1] ? B : 1) + (moves[1] ? c : 0);
          };
          const DType w_dtype = dtype == DType::f16 ? DType::f32 : dtype;
          const Stored x(dtype, matrices(x_moves) * N, K, 1), w(w_dtype, matrices(w_moves), K * M, 2);
          BatchedProduct p = {.name = "p", .x = dtype, .w = w_dtype, .batch = {{A}, {1 << 10, "B"}}};
          p.x_moves = x_moves, p.w_moves = w_moves, p.w_by_rows = w_by_rows;
          p.rows = {1 << 10, "N"}, p.inner = {1 << 10, "K"}, p.columns = {1 << 10, "M"};
          p.tail = {
              .axes = {p.batch[0], p.batch[1], p.rows, p.columns}, .given = {dtype}, .outputs = {{"y", dtype, 0}}};
          Buffers b = {{"x", x.data}, {"w", w.data}, {"y", Data(dtype, A * B * N * M)}};
          run(batched_product(target, p), b, {{"B", B}, {"N", N}, {"K", K}, {"M", M}});
          for (std::int64_t i = 0; i < A * B * N * M; ++i) {
            const std::int64_t m = i % M, n = i / M % N, c = i / (M * N) % B, a = i / (M * N * B);
            Near y;
            for (std::int64_t k = 0; k < K; ++k) {
              const double product = x.at(matrix(x_moves, a, c) * N + n, k) *
                                     w.at(matrix(w_moves, a, c), w_by_rows ? m * K + k : k * M + m);
              y.value += product;
              y.bound += std::abs(product);
            }
            y.bound *= static_cast<double>(K + 1) * rounding(dtype == DType::f64 ? dtype : DType::f32);
            y.bound += rounding(dtype) * std::abs(y.value);
            check(b["y"], i, y);
          }
        }
}
