// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/outer.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/gather.h"
#include "codegen/kernels/outer_tiles.h"
#include "formats/opnf/panel16.h"
#include "openinfer/error.h"
#include "stored.h"
#include "tests/sanitizers.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Siblings = Product::Siblings;

const std::vector<DType> kPanelDtypes = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                                         DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};
std::int64_t block_of(DType dtype) { return info(dtype).block_size; }

Near expected(const Stored& x, const Stored& w, std::int64_t n, std::int64_t m) {
  Near sum;
  for (std::int64_t k = 0; k < x.n; ++k) {
    sum.value += x.at(n, k) * w.at(m, k);
    sum.bound += std::abs(x.at(n, k)) * 4 * w.largest();
  }
  sum.bound *= static_cast<double>(x.n + 5) * rounding(DType::f32);
  sum.bound += rounding(x.dtype) * std::abs(sum.value) + 1e-300;
  return sum;
}
Product product_of(const std::vector<const Stored*>& weights, const Stored& x, Extent rows, Siblings siblings) {
  Product p = {.name = "p", .x = x.dtype, .rows = rows, .inner = {x.n}, .siblings = siblings};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto M = static_cast<std::int64_t>(weights[i]->values.size()) / x.n;
    p.weights.push_back(
        {.name = "w" + std::to_string(i), .dtype = weights[i]->dtype, .columns = {M}, .layout = Layout::panel16});
    p.tails.push_back({.axes = {rows, {M}}, .given = {x.dtype}, .outputs = {{"y" + std::to_string(i), x.dtype, 0}}});
  }
  return p;
}

struct OuterCase {
  DType x, w;
  std::int64_t N, K, M;
  bool known = true;
  std::int64_t most = 1 << 16;  // rows, where they are not known
};
void check_outer(const kir::Target& target, const OuterCase& c) {
  INFO(name(c.x) << " x " << name(c.w) << ": " << c.N << ", " << c.K << ", " << c.M << " on " << target.lanes << " x "
                 << target.subgroups);
  const Stored x(c.x, c.N, c.K, 11), w(c.w, c.M, c.K, 12);
  Product p = product_of({&w}, x, c.known ? Extent{c.N} : Extent{c.most, "N"}, Siblings::one);
  if (!is_block(c.w)) p.weights[0].layout = Layout::rows;
  Buffers b = {{"x", x.data}, {"w0", is_block(c.w) ? panels(w) : w.data}, {"y0", Data(c.x, c.N * c.M)}};
  run(product(target, p), b, {{"N", c.N}});
  for (std::int64_t n = 0; n < c.N; ++n)
    for (std::int64_t m = 0; m < c.M; ++m) check(b["y0"], n * c.M + m, expected(x, w, n, m));
}

/// Every number of lanes and subgroups, with and without a fused multiply-add.
std::vector<kir::Target> all_targets() {
  std::vector<kir::Target> all = targets();
  if (on_a_device()) return all;
  all.push_back({.lanes = 4});
  all.push_back({.lanes = 16, .fast_fma = true, .tuned = {{"outer_rows", 16}, {"outer_chunk", 24}}});
  all.push_back({.lanes = 8, .fast_fma = true, .tuned = {{"outer_rows", 6}}});
  all.push_back({.lanes = 16, .tuned = {{"prefetch_bytes", 0}, {"outer_chunk", 3}}});
  return all;
}

/// The same that decode weights into tiles: more and less than what there is of rows, columns and k. (No row of a GPU
/// asks for tiles: a shader of each kind shows that the template belongs to no language.)
std::vector<kir::Target> tile_targets() {
  std::vector<kir::Target> all;
  for (kir::Target target : all_targets()) {
    const bool little = on_a_device();  // 32 KiB are shared there
    target.tuned.insert({{"tile_depth", little ? 32 : 64}, {"outer_chunk", little ? 8 : 20}});
    target.tuned.insert({{"tile_panels", target.lanes == 8 ? 1 : 2}, {"tile_rows", 6}});
    all.push_back(target);
  }
  if (on_a_device()) return {all.front()};
  if (kFewer > 1) all = {all[1], all[3], all[5]};  // 16 lanes, 8 in four subgroups, 2 subgroups of 64
  all.push_back({.lanes = 16,
                 .fast_fma = true,
                 .core_cache = true,
                 .tuned = {{"tile_depth", 128}, {"tile_panels", 3}, {"tile_rows", 8}}});
  return all;
}
/// All of them, those without tiles first.
std::vector<kir::Target> panel_targets() {
  std::vector<kir::Target> all = all_targets();
  if (on_a_device()) return all;
  const std::vector<kir::Target> tiles = tile_targets();
  all.insert(all.end(), tiles.begin(), tiles.end());
  return all;
}

}  // namespace

TEST_CASE("products of panels: each format, one row and tiles with what is left over") {
  const std::vector<kir::Target> all = all_targets();
  for (const kir::Target& target : all)
    for (const DType w : kPanelDtypes) {
      if (!is_looked_at(w)) continue;
      if (on_a_device() && block_of(w) == 256 && (w != DType::q4_k || &target != &all.front())) continue;
      check_outer(target, {DType::f32, w, 1, 3 * block_of(w), 48});
      if (few_shaders() && w != DType::q4_1 && w != DType::q4_k) continue;
      if (!few_shaders()) check_outer(target, {DType::f32, w, 1, block_of(w), 16});
      check_outer(target, {DType::f32, w, 5, 2 * block_of(w), 32});
    }
}

TEST_CASE("products of panels: numbers of rows around tiles and chunks, known or not, other dtypes of x") {
  for (const kir::Target& target : all_targets()) {
    for (const std::int64_t N :
         on_a_device() ? std::vector<std::int64_t>{7, 53} : std::vector<std::int64_t>{2, 4, 7, 13, 16, 23, 53})
      for (const bool known : {true, false}) {
        if (few_shaders() && known && N != 7) continue;  // one for all that are not known
        check_outer(target, {DType::f32, DType::q4_1, N, 32, 16, known});
      }
    for (const DType x : {DType::f16, DType::bf16}) check_outer(target, {x, DType::q8_0, 3, 64, 16});
    check_outer(target, {DType::f32, DType::q5_1, 1, 32, 5 * 16, false});
  }
  if (!few_shaders()) check_outer({.lanes = 16}, {DType::f32, DType::q8_0, 131, 32, 16, false});
}

TEST_CASE("products of panels: few rows at most, in one tile that may be partly empty") {
  std::vector<kir::Target> all = {{.lanes = 16, .fast_fma = true, .tuned = {{"outer_rows", 16}}}, {.lanes = 8}};
  if (on_a_device()) all = {targets().front()};
  for (const kir::Target& target : all)
    for (const std::int64_t most : few_shaders() ? std::vector<std::int64_t>{8} : std::vector<std::int64_t>{3, 8, 16})
      for (std::int64_t N = 1; N <= most; N += on_a_device() ? 3 : 1)
        check_outer(target, {DType::f32, DType::q4_1, N, 64, 32, false, most});
}

TEST_CASE("products of panels: stacked siblings of different widths and formats") {
  const std::int64_t K = 64;
  for (const kir::Target& target : panel_targets())
    for (const std::int64_t N : {1, 9}) {
      if (few_shaders() && N == 1) continue;  // one matrix by one row: the case of each format
      const Stored x(DType::f32, N, K, 1), q(DType::q4_1, 48, K, 2), k(DType::q5_0, 16, K, 3), v(DType::q8_0, 32, K, 4);
      const Product p = product_of({&q, &k, &v}, x, N == 1 ? Extent{1} : Extent{1 << 16, "N"}, Siblings::stacked);
      Buffers b = {{"x", x.data}};
      int i = 0;
      for (const Stored* w : {&q, &k, &v}) {
        const auto M = static_cast<std::int64_t>(w->values.size()) / K;
        b["w" + std::to_string(i)] = panels(*w);
        b["y" + std::to_string(i++)] = Data(f32, N * M);
      }
      run(product(target, p), b, {{"N", N}});
      i = 0;
      for (const Stored* w : {&q, &k, &v}) {
        INFO("weight " << i);
        const auto M = static_cast<std::int64_t>(w->values.size()) / K;
        for (std::int64_t n = 0; n < N; ++n)
          for (std::int64_t m = 0; m < M; ++m) check(b["y" + std::to_string(i)], n * M + m, expected(x, *w, n, m));
        ++i;
      }
    }
}

TEST_CASE("products of panels: zipped siblings, a bias and a residual") {
  const std::int64_t N = 6, K = 32, M = 32;
  using Exprs = std::span<const ScalarExpr>;
  for (const kir::Target& target : panel_targets()) {
    const Extent rows = {1 << 16, "N"};
    const Stored x(DType::f32, N, K, 1), gate(DType::q4_0, M, K, 2), up(DType::q8_0, M, K, 3),
        bias(DType::f16, 1, M, 4), r(DType::f32, N, M, 5);
    Product p = product_of({&gate, &up}, x, rows, Siblings::zipped);
    p.weights[1].bias = "bias";
    p.weights[1].bias_dtype = DType::f16;
    p.tails = {{.axes = {rows, {M}},
                .given = {DType::f32, DType::f32},
                .inputs = {{"residual", DType::f32, {true, true}}},
                .steps = {{"y", [](Exprs v) { return v[0] * v[1] + v[2]; }, {0, 1, 2}, DType::f32}},
                .outputs = {{"y", DType::f32, 3}}}};
    Buffers b = {{"x", x.data},       {"w0", panels(gate)}, {"w1", panels(up)},
                 {"bias", bias.data}, {"residual", r.data}, {"y", Data(f32, N * M)}};
    run(product(target, p), b, {{"N", N}});
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t m = 0; m < M; ++m) {
        const Near g = expected(x, gate, n, m);
        Near u = expected(x, up, n, m);
        u.value += bias.at(0, m);
        const double eps = rounding(DType::f32);
        u.bound += 2 * eps * std::abs(u.value);
        Near y = {.value = g.value * u.value + r.at(n, m)};
        y.bound = g.bound * std::abs(u.value) + std::abs(g.value) * u.bound + g.bound * u.bound +
                  4 * eps * (std::abs(g.value * u.value) + std::abs(y.value));
        check(b["y"], n * M + m, y);
      }
  }
}

TEST_CASE("products of panels by decoded tiles: each format, what is left of rows, columns and k") {
  for (const kir::Target& target : tile_targets()) {
    for (const DType w : kPanelDtypes) {
      if (!is_looked_at(w) || (on_a_device() && w != DType::q5_1)) continue;
      check_outer(target, {DType::f32, w, kFewer == 1 ? 37 : 13, block_of(w) == 256 ? 256 : 3 * 32, 80});
      if (!few_shaders()) check_outer(target, {DType::f32, w, 9, block_of(w), 16, false});
    }
    if (few_shaders()) continue;
    for (const std::int64_t N : {1, 3, 6, 8, 24, 25, 53})
      check_outer(target, {DType::f32, DType::q4_1, N, 96, 48, false});
    for (const DType x : {DType::f16, DType::bf16}) check_outer(target, {x, DType::q8_0, 33, 64, 32});
  }
}

TEST_CASE("products of rows of floats by tiles") {
  for (const kir::Target& target : tile_targets()) {
    for (const DType w : {DType::f16, DType::bf16, DType::f32})
      for (const std::int64_t M : {1, 31, 48, 70}) {
        if (on_a_device() && (w != DType::f16 || M != 70)) continue;
        check_outer(target, {DType::f32, w, kFewer == 1 ? 37 : 13, 96, M, M != 31});
      }
    if (on_a_device()) continue;
    for (const std::int64_t N : {1, 9, kFewer == 1 ? 130 : 34})
      check_outer(target, {DType::f32, DType::f16, N, 160, 24, false});
    check_outer(target, {DType::f16, DType::bf16, 33, 64, 32});
    check_outer(target, {DType::f32, DType::f16, 33, 72, 32});  // no groups of 32
  }
}

TEST_CASE("products by tiles of rows that lie apart have the same bits, and read nothing between the rows") {
  for (const kir::Target& target : tile_targets())
    for (const DType dtype : {DType::q4_1, DType::q8_0, DType::f16})
      for (const std::int64_t N : {1, 6, 23}) {
        if (on_a_device() && (dtype != DType::q4_1 || N != 6)) continue;
        if (dtype == DType::f16 && target.subgroups > 1) continue;  // rows are turned by one
        INFO(name(dtype) << ", " << N << " rows");
        const std::int64_t K = 96, M = 48, stride = f32_stride(K);
        const Stored x(DType::f32, N, K, 11), w(dtype, M, K, 12);
        Product p = product_of({&w}, x, {1 << 16, "N"}, Siblings::one);
        if (!is_block(dtype)) p.weights[0].layout = Layout::rows;
        std::vector<double> apart(static_cast<std::size_t>(N * stride), std::numeric_limits<double>::quiet_NaN());
        for (std::int64_t n = 0; n < N; ++n)
          for (std::int64_t k = 0; k < K; ++k) apart[static_cast<std::size_t>(n * stride + k)] = x.at(n, k);
        const auto y_of = [&](const Data& rows) {
          Buffers b = {{"x", rows}, {"w0", is_block(dtype) ? panels(w) : w.data}, {"y0", Data(f32, N * M)}};
          run(outer_tiles(target, p), b, {{"N", N}});
          return b["y0"].values();
        };
        const std::vector<double> dense = y_of(x.data);
        p.apart = true;
        CHECK(y_of(Data(DType::f32, apart)) == dense);
      }
}

TEST_CASE("products of panels by decoded tiles: a row has the same bits among any number of rows") {
  if (few_shaders()) return;  // as above
  const std::int64_t K = 160, M = 48;
  for (const kir::Target& target : tile_targets()) {
    Stored x(DType::f32, 61, K, 11);
    const Stored w(DType::q5_0, M, K, 12);
    const auto product_of_rows = [&](std::int64_t first, std::int64_t N) {
      const auto from = x.data.bytes().begin() + first * K * 4;
      Data rows(DType::f32, N * K);
      std::copy(from, from + N * K * 4, rows.bytes().begin());
      Buffers b = {{"x", rows}, {"w0", panels(w)}, {"y0", Data(f32, N * M)}};
      run(product(target, product_of({&w}, x, Extent{1 << 16, "N"}, Siblings::one)), b, {{"N", N}});
      return b["y0"].values();
    };
    const std::vector<double> all = product_of_rows(0, 61);
    for (const auto& [first, N] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {7, 2}, {23, 25}, {60, 1}}) {
      const std::vector<double> some = product_of_rows(first, N);
      CHECK(std::equal(some.begin(), some.end(), all.begin() + first * M));
    }
  }
}

TEST_CASE("a scale that is infinite or no number spoils its own row alone") {
  for (const kir::Target& target : panel_targets())
    for (const DType dtype : kPanelDtypes)
      for (const std::int64_t N : {1, 5}) {
        if (!is_looked_at(dtype)) continue;
        if (on_a_device() && block_of(dtype) == 256) continue;  // shaders of a hundred lines, with nothing of their own
        if (few_shaders() && (dtype != DType::q4_1 || N == 1)) continue;  // scales of all are read alike
        const Stored x(DType::f32, N, 2 * block_of(dtype), 1);
        Stored w(dtype, 32, x.n, 2);
        const auto bytes = static_cast<std::size_t>(info(dtype).block_bytes);
        const std::size_t d = dtype == DType::q6_k ? bytes - 2 : 0;
        w.data.bytes()[(5 * 2 + 1) * bytes + d + 1] = std::byte{0x7e};   // row 5: no number
        w.data.bytes()[(21 * 2 + 0) * bytes + d + 0] = std::byte{0x00};  // row 21: infinite
        w.data.bytes()[(21 * 2 + 0) * bytes + d + 1] = std::byte{0x7c};
        const Product p = product_of({&w}, x, N == 1 ? Extent{1} : Extent{1 << 16, "N"}, Siblings::one);
        Buffers b = {{"x", x.data}, {"w0", panels(w)}, {"y0", Data(f32, N * 32)}};
        run(product(target, p), b, {{"N", N}});
        for (std::int64_t n = 0; n < N; ++n)
          for (std::int64_t m = 0; m < 32; ++m) {
            INFO(name(dtype) << " row " << m);
            if (m == 5)
              CHECK(std::isnan(b["y0"][n * 32 + m]));
            else
              CHECK(std::isfinite(b["y0"][n * 32 + m]) == (m != 21));
          }
      }
}

TEST_CASE("rows of a table in panels") {
  const std::int64_t entries = 48;
  for (const kir::Target& target : all_targets())
    for (const DType dtype : kPanelDtypes) {
      const std::int64_t inner = 2 * block_of(dtype);
      const Stored table(dtype, entries, inner, 3);
      const std::vector<double> ids = {0, 47, 17, 16, 15};
      Gather what = {.outer = {1}, .entries = {entries}, .count = {5}, .inner = {inner}, .table = dtype};
      what.layout = Layout::panel16;
      what.tail = {.axes = {{1}, {5}, {inner}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}};
      Buffers b = {{"table", panels(table)}, {"ids", Data(DType::i32, ids)}, {"y", Data(f32, 5 * inner)}};
      run(gather(target, "g", what), b);
      for (std::int64_t i = 0; i < 5; ++i)
        for (std::int64_t k = 0; k < inner; ++k)
          CHECK(b["y"][i * inner + k] == table.at(static_cast<std::int64_t>(ids[static_cast<std::size_t>(i)]), k));
    }
}

TEST_CASE("why a product does not go by tiles") {
  kir::Target target = {.lanes = 16, .tuned = {{"tile_depth", 128}}};
  const Stored x(DType::f32, 40, 64, 1), w(DType::q8_0, 16, 64, 2);
  Product p = product_of({&w}, x, {40}, Siblings::one);
  CHECK(why_no_outer_tiles(target, p).empty());
  CHECK(why_no_outer_tiles({.lanes = 16}, p) == "the device has no depth for tiles of weights");
  CHECK_THROWS_WITH(outer_tiles({.lanes = 16}, p), Catch::Contains("no tiles of weights"));
  p.rows = {8, "N"};
  CHECK(why_no_outer_tiles(target, p) == "at most 8 rows");
  p.rows = {40};
  p.weights[0].layout = Layout::rows;
  CHECK(why_no_outer_tiles(target, p) == "w0 is neither panels nor rows of floats");
  p.weights[0].dtype = DType::f16;
  CHECK(why_no_outer_tiles(target, p).empty());
  target.subgroups = 4;
  CHECK(why_no_outer_tiles(target, p) == "rows are turned by one subgroup");
  p.inner = {72};
  CHECK(why_no_outer_tiles(target, p) == "72 is no multiple of 32");
}

TEST_CASE("panels of what cannot be in panels are refused") {
  const Stored x(DType::f64, 1, 32, 1), w(DType::q8_0, 16, 32, 2);
  CHECK_THROWS_WITH(outer({.lanes = 16}, product_of({&w}, x, {1}, Siblings::one)), Catch::Contains("f32 only"));
  const Stored y(DType::f32, 1, 256, 1), k(DType::q3_k, 16, 256, 2);
  CHECK_THROWS_WITH(outer({.lanes = 16}, product_of({&k}, y, {1}, Siblings::one)), Catch::Contains("q3_k"));
}
