// SPDX-License-Identifier: Apache-2.0
// Rows of f32 that lie apart: for which products, made how often, and that nothing else comes of it.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "tests/distance.h"
#include "tests/plan/interpreted_plan.h"
#include "tests/sim/test_package.h"

using namespace openinfer;
using plan_test::InterpretedPlan;
using sim_test::TestPackage;

namespace {

constexpr std::int64_t kWide = 512, kNarrow = 96;

plan::Plan strict_plan(const Graph& g, const kir::Target& target) {
  plan::Plan p = plan::lower(run_passes(g, compilation_passes()).graph,
                             {.name = "test", .target = target, .numerics = Numerics::strict, .entries = {}});
  plan::run_passes(p);
  return p;
}

std::vector<float> random_numbers(std::int64_t count, std::mt19937& random) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random() % 2001) / 1000.0f - 1);
  return values;
}

/// y = x + down(up(x)) and z = side(x): x is 512 wide, which is 2 KiB of f32, what lies between 96.
Graph two_layers(const Model& model, std::int64_t most) {
  return graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 1, most), kWide});
    auto n = x * 2;
    b.output("y", x + matmul(matmul(n, model["up"]), model["down"]));
    b.output("z", matmul(n, model["side"]));
  });
}

int times_in(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

const kir::Target kTiles = {
    .lanes = 8, .fast_fma = true, .core_cache = true, .tuned = {{"tile_depth", 64}, {"tile_rows", 6}}};

}  // namespace

TEST_CASE("rows whose width is a multiple of 2 KiB are laid apart once for all tiles that read them") {
  TestPackage package("plan_apart");
  std::mt19937 random(5);
  package.add("up", {kWide, kNarrow}, random_numbers(kWide * kNarrow, random), true);
  package.add("side", {kWide, 40}, random_numbers(kWide * 40, random), true);
  package.add("down", {kNarrow, kWide}, random_numbers(kWide * kNarrow, random), true);
  const Model model = package.open();
  const Graph g = two_layers(model, 13);
  const plan::Plan apart = strict_plan(g, kTiles);
  const std::string text = to_text(apart);
  INFO(text);
  CHECK(times_in(text, "why: rows of f32, apart") == 1);
  CHECK(times_in(text, "f32(N, 528)") == 1);
  CHECK(times_in(text, "columns of W by 64 k turned once") == 2);
  CHECK(apart.entries[0].bf16_products.empty());

  kir::Target no_tiles = kTiles, no_cache = kTiles;
  no_tiles.tuned.erase("tile_depth");
  no_cache.core_cache = false;
  for (const kir::Target& other : {no_tiles, no_cache}) CHECK(times_in(to_text(strict_plan(g, other)), "to_apart") == 0);
  CHECK(times_in(to_text(strict_plan(two_layers(model, 8), kTiles)), "to_apart") == 0);  // few rows take no tiles

  SimSession sim(model, g);
  for (const std::int64_t n : {1, 7, 13}) {
    CAPTURE(n);
    Tensor x(f32, {n, kWide});
    const std::vector<float> values = random_numbers(n * kWide, random);
    std::copy(values.begin(), values.end(), x.mutable_data<float>().begin());
    const Outputs want = sim.run_step({{"x", x}});
    auto got = InterpretedPlan(apart, &model).run("step", {{"x", x}});
    auto dense = InterpretedPlan(strict_plan(g, no_cache), &model).run("step", {{"x", x}});
    for (const char* name : {"y", "z"}) {
      CHECK(testing::distance(got.at(name), want[name]) <= 1e-5);  // sums of 512 and 96 terms in f32
      CHECK(testing::distance(got.at(name), dense.at(name)) == 0);
    }
  }
}
