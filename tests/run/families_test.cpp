// SPDX-License-Identifier: Apache-2.0
// Families of weights whose members differ in dtype: compiled sessions held to the simulator's.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <random>

#include "codegen/devices/this_cpu.h"
#include "codegen/emit/project.h"
#include "codegen/emit/target.h"
#include "codegen/plan/lower.h"
#include "codegen/run/compiled_graph.h"
#include "openinfer/half.h"
#include "tests/distance.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/test_package.h"

using namespace openinfer;

namespace {

constexpr std::int64_t kWidth = 16;

std::vector<float> numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> all(static_cast<std::size_t>(count));
  for (float& x : all) x = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 4000.f;
  return all;
}

void add_member(sim_test::TestPackage& package, const std::string& key, bool half, unsigned seed) {
  const std::vector<float> wide = numbers(kWidth * kWidth, seed);
  if (half)
    package.add(key, {kWidth, kWidth}, std::vector<Half>(wide.begin(), wide.end()));
  else
    package.add(key, {kWidth, kWidth}, wide);
}

void check_on_all(const Model& model, const Graph& g) {
  Tensor x(f32, {2, kWidth});
  const std::vector<float> given = numbers(2 * kWidth, 9);
  std::copy(given.begin(), given.end(), x.mutable_data<float>().begin());
  SimSession sim(model, g);
  const Tensor want = sim.run_step({{"x", x}})["y"];
  std::vector<Backend> backends = {Backend::cpu};
  if (run_test::has_vulkan()) backends.push_back(Backend::vulkan);
  for (const Backend backend : backends) {
    CAPTURE(name(backend));
    SimSession compiled(model, g, backend);
    // Up to twelve sums of 16 products after each other: 2e-5 of the largest, as for other compiled graphs.
    CHECK(testing::distance(compiled.run_step({{"x", x}})["y"], want) <= 2e-5);
  }
}

/// What the emitted program chooses kernels by.
std::string choices(const Model& model, const Graph& g) {
  const Device& device = this_cpu().device;
  const plan::Plan plan = run::make_plan(plan::over(g, model), emit::target_of(device), "families");
  std::string all;
  for (const auto& [path, text] : emit::project_files(plan, model, device, plan::graph_facts(g)))
    for (std::size_t at = text.find("switch (\""); at != text.npos; at = text.find("switch (\"", at + 1))
      all += text.substr(at, text.find(" {", at) - at) + "\n";
  return all;
}

}  // namespace

TEST_CASE("members of a family differ in dtype from turn to turn of any loop around") {
  sim_test::TestPackage package("families");
  for (int l = 0; l < 3; ++l) {
    add_member(package, "W." + std::to_string(l), l == 1, 10 + static_cast<unsigned>(l));
    for (int m = 1; m < 5; ++m)
      add_member(package, "V." + std::to_string(l) + "." + std::to_string(m), (l == 0) != (m == 3),
                 20 + static_cast<unsigned>(5 * l + m));
  }
  const Model model = package.open();
  SECTION("of two loops") {
    const Graph g = graph(model, [&](GraphBuilder& b) {
      auto x = b.input("x", f32, {2, kWidth});
      b.output("y", b.loop("l", 0, 3, x, [&](Index l, Value outer) {
        return b.loop("m", 1, 5, outer, [&](Index m, Value h) { return h + matmul(h, model("V.{}.{}", l, m)); });
      }));
    });
    check_on_all(model, g);
    CHECK(choices(model, g) == "switch (\"aababbabbbab\"[l * 4 + m - 1])\n");
  }
  SECTION("of the outer loop, used in the inner one") {
    const Graph g = graph(model, [&](GraphBuilder& b) {
      auto x = b.input("x", f32, {2, kWidth});
      b.output("y", b.loop("l", 1, 3, x, [&](Index l, Value outer) {
        return b.loop("m", 0, 2, outer, [&](Index, Value h) { return h + matmul(h, model("W.{}", l)); });
      }));
    });
    check_on_all(model, g);
    CHECK(choices(model, g) == "switch (\"aabb\"[(l - 1) * 2 + m])\n");
  }
  SECTION("in more turns than a program can say") {
    const Graph g = graph(model, [&](GraphBuilder& b) {
      auto x = b.input("x", f32, {2, kWidth});
      b.output("y", b.loop("l", 0, 3, x, [&](Index l, Value outer) {
        return b.loop("m", 0, 1 << 30, outer, [&](Index, Value h) { return h + matmul(h, model("W.{}", l)); });
      }));
    });
    CHECK_THROWS_WITH(SimSession(model, g, Backend::cpu),
                      Catch::Contains("families_test.cpp") && Catch::Contains("several dtypes in loops of more than"));
  }
}
