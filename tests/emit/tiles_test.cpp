// SPDX-License-Identifier: Apache-2.0
// Products by AMX tiles in C++: what is refused, and, where this machine has tiles, the numbers.
#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>

#include "codegen/devices/this_cpu.h"
#include "codegen/emit/cpp_tiles.h"
#include "codegen/emit/target.h"
#include "codegen/kernel_ir/interpret.h"
#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/attention.h"
#include "codegen/kernels/outer_mma.h"
#include "golden.h"
#include "openinfer/error.h"
#include "openinfer/half.h"
#include "tests/emit/cpp_harness.h"
#include "tests/kernels/stored.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

const kir::Target kTarget = {.lanes = 16, .fast_fma = true, .mma = emit::kCppTiles};

Product panels_product(const std::string& name, DType dtype, std::int64_t K, std::int64_t M) {
  Product p = {.name = name, .x = DType::bf16, .rows = {512, "N"}, .inner = {K}};
  p.bf16 = true;
  p.weights = {
      {.name = "w", .dtype = dtype, .columns = {M}, .layout = is_half(dtype) ? Layout::rows : Layout::panel16}};
  p.tails = {{.axes = {p.rows, {M}}, .given = {DType::f32}, .outputs = {{"y", DType::f32, 0}}}};
  return p;
}

/// Small whole numbers as rows of bf16, NaN elsewhere: sums of products with what small quants stand for are exact in
/// f32 in any order.
Data whole_rows(std::int64_t N, std::int64_t K) {
  const std::int64_t stride = bf16_stride(K);
  Data rows(DType::bf16, (N + kBf16SpareRows) * stride);
  for (std::int64_t i = 0; i < rows.count(); ++i) rows.set(i, NAN);
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t k = 0; k < K; ++k) rows.set(n * stride + k, static_cast<double>((n * 5 + k * 3) % 17 - 8));
  return rows;
}

/// The machine's tiles, for the rest of this process.
bool have_tiles() {
  if (emit::matrix_units(this_cpu().device, Numerics::bf16).shape) return ask_for_tiles(), true;
  std::cout << "AMX tiles: left out, this CPU has none\n";
  return false;
}

std::vector<emit::CppBuild> tile_builds() {
  std::vector<emit::CppBuild> builds = emit::cpp_builds(emit::Builds::quick);
  std::erase_if(builds, [](const emit::CppBuild& b) {
    return std::find(b.flags.begin(), b.flags.end(), "-mamx-bf16") == b.flags.end();
  });
  return builds;
}

}  // namespace

TEST_CASE("C++ by tiles gives the numbers of the interpreter") {
  if (!have_tiles()) return;
  struct Shape {
    DType dtype;
    std::int64_t N, K, M;
  };
  const Shape shapes[] = {{DType::q4_0, 37, 64, 48},  {DType::q4_1, 1, 96, 16},   {DType::q5_1, 64, 32, 32},
                          {DType::q8_0, 33, 576, 80}, {DType::q4_k, 40, 512, 48}, {DType::q6_k, 17, 256, 32},
                          {DType::f16, 33, 96, 32},   {DType::bf16, 34, 64, 71}};
  for (const emit::CppBuild& build : tile_builds()) {
    emit::CppKernels library(build);
    std::vector<TemplateKernel> kernels;
    for (const Shape& s : shapes) {
      kernels.push_back(outer_mma(kTarget, panels_product(fmt::format("tiles_{}", name(s.dtype)), s.dtype, s.K, s.M)));
      library.add(kernels.back().kernel);
    }
    library.compile();
    for (std::size_t i = 0; i < std::size(shapes); ++i) {
      const Shape& s = shapes[i];
      INFO(emit::describe(build) << ": " << name(s.dtype));
      const Stored stored(s.dtype, s.M, s.K, 5);
      Data x = whole_rows(s.N, s.K), w = is_half(s.dtype) ? stored.data : panels(stored), mine(DType::f32, s.N * s.M),
           reference(DType::f32, s.N * s.M);
      const int groups = static_cast<int>((s.M + 31) / 32);
      const std::vector<std::int32_t> params = {static_cast<std::int32_t>(s.N)};
      library.run(kernels[i].kernel.name, {x.bytes(), w.bytes(), mine.bytes()}, params, groups);
      kir::interpret(kernels[i].kernel, {x.bytes(), w.bytes(), reference.bytes()}, params, groups);
      double largest = 0;
      for (const double v : stored.values) largest = std::max(largest, std::abs(v));
      // The same operands; sums in another order differ by K eps Σ|x·w| (Higham 2002, 3.1).
      const double bound = static_cast<double>(s.K * s.K) * 8 * largest * 0x1p-24;
      CHECK(distance(mine.values(), reference.values()) <= bound);
      CHECK(distance(reference.values(), std::vector<double>(reference.values().size())) > 100 * bound);
    }
  }
}

TEST_CASE("attention by tiles gives the numbers of the interpreter") {
  if (!have_tiles()) return;
  constexpr std::int64_t kRows = 70, kKeys = 80, kHeads = 6, kKvHeads = 2, kDepth = 64;
  kir::Target target = kTarget;
  target.core_cache = true;
  Attention what = {.name = "tiles_attention", .rows = {512, "N"}, .keys = {kKeys}, .slots = {1}};
  what.kv = DType::f16;
  what.heads = kHeads, what.kv_heads = kKvHeads, what.head_dim = kDepth;
  what.has_pos = true;
  what.scale = 0.125, what.window = 60;
  REQUIRE(has_attention_units(target, what));
  const TemplateKernel made = attention(target, what);
  std::vector<double> pos;
  for (std::int64_t n = 0; n < kRows; ++n) pos.push_back(static_cast<double>(n + 7));
  for (const emit::CppBuild& build : tile_builds()) {
    INFO(emit::describe(build));
    emit::CppKernels library(build);
    library.add(made.kernel);
    library.compile();
    Data q(DType::f32, noise(kRows * kHeads * kDepth, 1)), k(DType::f16, noise(kKvHeads * kKeys * kDepth, 2)),
        v(DType::f16, noise(kKvHeads * kKeys * kDepth, 3)), at(DType::i32, pos), mine(DType::f32, q.count()),
        reference(DType::f32, q.count());
    for (std::int64_t i = 0; i < q.count(); ++i) q.set(i, 4 * q[i]);  // so that weights differ
    const int groups = static_cast<int>(kKvHeads * ((kRows + 63) / 64));
    library.run("tiles_attention", {q.bytes(), k.bytes(), v.bytes(), at.bytes(), mine.bytes()}, {kRows}, groups);
    kir::interpret(made.kernel, {q.bytes(), k.bytes(), v.bytes(), at.bytes(), reference.bytes()}, {kRows}, groups);
    // Sums of scores in another order move weights by a few 2^-24 of them, now and then to the other bf16.
    CHECK(distance(mine.values(), reference.values()) <= 0x1p-9);
    CHECK(distance(reference.values(), std::vector<double>(reference.values().size())) > 0.1);
  }
}

TEST_CASE("a NaN or an infinity of a row reaches all results of that row, and no other") {
  if (!have_tiles()) return;
  for (const emit::CppBuild& build : tile_builds()) {
    emit::CppKernels library(build);
    const TemplateKernel made = outer_mma(kTarget, panels_product("tiles_nan", DType::q8_0, 64, 32));
    library.add(made.kernel);
    library.compile();
    Data x = whole_rows(40, 64), w = panels(Stored(DType::q8_0, 32, 64, 5)), y(DType::f32, 40 * 32);
    x.set(33 * bf16_stride(64) + 5, NAN);
    library.run("tiles_nan", {x.bytes(), w.bytes(), y.bytes()}, {40}, 1);
    for (std::int64_t i = 0; i < 40 * 32; ++i) CHECK(std::isnan(y[i]) == (i / 32 == 33));
  }
}

TEST_CASE("C++ by tiles is what was reviewed") {
  const TemplateKernel made = outer_mma(kTarget, panels_product("panels_q4_1_mma", DType::q4_1, 576, 192));
  emit::check_golden("panels_q4_1_mma.cpp", emit::cpp_records(made.kernel) + emit::render_cpp(made.kernel));
}

TEST_CASE("tile registers hold one fragment of each kind") {
  const auto rendered = [](const std::function<void(kir::Build&, kir::Mem, kir::Mem, kir::Mem)>& body) {
    kir::Build k("f", kTarget);
    const kir::Mem a = k.in("a", kir::Kind::bf16), b = k.in("b", kir::Kind::u32), y = k.out("y", kir::Kind::f32);
    body(k, a, b, y);
    try {
      return emit::render_cpp(k.done());
    } catch (const Error& e) {
      return std::string(e.what());
    }
  };
  using kir::Kind;
  const auto sums = [](kir::Build& k, int count) { return k.tile("sum", count, Kind::mma_c, kir::Rate::subgroup); };
  const auto load_a = [](kir::Build& k, const kir::Mem& a, int at) {
    return k.let("a_part", k.mma_load(Kind::mma_a, a, at, 32));
  };
  const auto load_b = [](kir::Build& k, const kir::Mem& b) {
    return k.let("b_part", k.mma_load(Kind::mma_b, b, 0, 32));
  };
  CHECK_THAT(rendered([&](kir::Build& k, kir::Mem a, kir::Mem b, kir::Mem y) {
               const kir::Tile sum = sums(k, 1);
               const kir::Val left = load_a(k, a, 0), right = load_b(k, b);
               sum[0] = k.mma(left, right, sum[0]);
               k.mma_store(y, 0, 32, sum[0]);
             }),
             Catch::Contains("const TileRegisters tile_registers;") && Catch::Contains("store_c(&y[0], 32, sum);"));
  CHECK_THAT(rendered([&](kir::Build& k, kir::Mem a, kir::Mem b, kir::Mem y) {
               const kir::Tile sum = sums(k, 2);
               const kir::Val left = load_a(k, a, 0), right = load_b(k, b);
               sum[1] = k.mma(left, right, sum[1]);
               k.mma_store(y, 0, 32, sum[1]);
             }),
             Catch::Contains("tile registers hold one fragment of sums"));
  CHECK_THAT(rendered([&](kir::Build& k, kir::Mem a, kir::Mem b, kir::Mem y) {
               const kir::Tile sum = sums(k, 1);
               const kir::Val left = load_a(k, a, 0), next = load_a(k, a, 1024), right = load_b(k, b);
               sum[0] = k.mma(left, right, sum[0]);
               sum[0] = k.mma(next, right, sum[0]);
               k.mma_store(y, 0, 32, sum[0]);
             }),
             Catch::Contains("tile registers hold the operands that were loaded last"));
}
