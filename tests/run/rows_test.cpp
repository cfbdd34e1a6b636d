// SPDX-License-Identifier: Apache-2.0
// Attention whose rows have slots of their own: what has none is refused as the simulator refuses it.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>

#include "codegen/devices/this_cpu.h"
#include "codegen/emit/project.h"
#include "codegen/emit/target.h"
#include "codegen/plan/lower.h"
#include "codegen/run/compiled_graph.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/test_package.h"

using namespace openinfer;

namespace {

/// Rows over `slots` slots of a cache; 0: over as many as the session is opened with.
Graph rows_over(std::int64_t slots, std::int64_t least = 1) {
  return graph([&](GraphBuilder& b) {
    const Dim n = b.dim("N", least, 512), s = slots != 0 ? Dim(slots) : b.dim("S", 1, 600);
    const State kv = b.state("kv", kv_cache({.layers = 1, .slots = s, .capacity = 40, .heads = 1, .head_dim = 8}));
    const auto [k, v] = kv_read(kv, {.layer = 0});
    b.output("y", sdpa(b.input("q", f32, {n, 16}), k, v, {}));
  });
}

std::vector<Backend> every_backend() {
  std::vector<Backend> all = {Backend::cpu};
  if (run_test::has_vulkan()) all.push_back(Backend::vulkan);
  return all;
}

}  // namespace

TEST_CASE("a row without a slot of its own is refused as the simulator refuses it") {
  sim_test::TestPackage package("per_slot");
  package.add<float>("unused", {1}, {1});
  const Model model = package.open();
  for (const std::int64_t slots : {2, 0}) {
    const Graph g = rows_over(slots);
    SimOptions options;
    if (slots == 0) options.dims = {{"S", 2}};
    SimSession sim(g, options);
    std::string refused;
    try {
      sim.run_step({{"q", Tensor(f32, {512, 16})}});
    } catch (const Error& error) {
      refused = error.what();
    }
    CHECK_THAT(refused, Catch::Contains("row 2 has no slot of its own: the cache has 2; give pos and slot"));
    for (const Backend backend : every_backend()) {
      CAPTURE(name(backend), slots);
      SimSession compiled(model, g, backend, options);
      for (const std::int64_t rows : {3, 512})
        CHECK_THROWS_WITH(compiled.run_step({{"q", Tensor(f32, {rows, 16})}}), Catch::Equals(refused));
      for (const std::int64_t rows : {1, 2}) {
        const Tensor q(std::vector<float>(static_cast<std::size_t>(rows) * 16, 1.f), {rows, 16});
        CHECK(testing::distance(compiled.run_step({{"q", q}})["y"], sim.run_step({{"q", q}})["y"]) == 0);
      }
    }
  }
  CHECK_THROWS_WITH(SimSession(model, rows_over(2, 3), Backend::cpu),
                    Catch::Contains("has no slot of its own") && Catch::Contains("rows_test.cpp"));
}

TEST_CASE("an emitted program takes no more rows than there are slots") {
  sim_test::TestPackage package("rows_emitted");
  package.add<float>("unused", {1}, {1});
  const Model model = package.open();
  const Device& device = this_cpu().device;
  const auto emitted = [&](const Graph& g) {
    const plan::Plan plan = run::make_plan(plan::over(g, model), emit::target_of(device), "per_slot");
    return emit::project_files(plan, model, device, plan::graph_facts(g)).at("plan.txt");
  };
  CHECK_THAT(emitted(rows_over(2)), Catch::Contains("entry step: N in [1, 2]"));
  CHECK_THROWS_WITH(
      emitted(rows_over(0)),
      Catch::Contains("[emit] entry point step: sdpa takes up to 512 rows over 1") && Catch::Contains("rows_test.cpp"));
}

TEST_CASE("of several caches the least is what an emitted program holds; a source's positions are its own") {
  sim_test::TestPackage package("rows_caches");
  package.add<float>("unused", {1}, {1});
  const Model model = package.open();
  const Device& device = this_cpu().device;
  const auto cache = [&](std::vector<std::pair<std::string, Dim>> capacities) {
    const Graph g = graph([&](GraphBuilder& b) {
      (void)b.dim("C", 1, 30);
      const Value q = b.input("q", f32, {1, 8}), pos = b.input("pos", i32, {1});
      Value y = q;
      for (const auto& [name, capacity] : capacities) {
        const State kv =
            b.state(name, kv_cache({.layers = 1, .slots = 1, .capacity = capacity, .heads = 1, .head_dim = 8}));
        const auto [k, v] = kv_read(kv, {.layer = 0});
        y = sdpa(y, k, v, Attention{.pos = pos});
      }
      b.output("y", y);
    });
    const plan::Plan plan = run::make_plan(plan::over(g, model), emit::target_of(device), "caches");
    const std::string text = emit::project_files(plan, model, device, plan::graph_facts(g)).at("host/model.cpp");
    const std::size_t at = text.find(".cache = ");
    return text.substr(at, text.find("},", at) - at);
  };
  CHECK(cache({{"a", 8}, {"b", 64}}) == R"(.cache = {"", "", 8, 1)");
  CHECK(cache({{"a", Dim::symbol("C")}, {"b", 64}}) == R"(.cache = {"C", "", 30, 1)");
  CHECK(cache({{"a", 8}, {"cross_kv", 4}}) == R"(.cache = {"", "", 8, 1)");
}
