// SPDX-License-Identifier: Apache-2.0
// Families of weights whose members differ in dtype: a dispatch chooses among kernels, all else is the same.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <random>

#include "codegen/plan/alike.h"
#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "openinfer/half.h"
#include "tests/distance.h"
#include "tests/plan/interpreted_plan.h"
#include "tests/sim/test_package.h"

using namespace openinfer;

namespace {

constexpr std::int64_t kFamilyWidth = 64;
const kir::Target kFamilyUnits = {.lanes = 32, .subgroups = 4, .mma = MmaShape{.m = 16, .n = 8, .k = 16}};

template <class T>
void add_family_member(sim_test::TestPackage& package, const std::string& key, bool transposed) {
  std::mt19937 random(static_cast<unsigned>(key.back()));
  std::vector<T> values;
  for (std::int64_t i = 0; i < kFamilyWidth * kFamilyWidth; ++i)
    values.push_back(static_cast<T>(static_cast<float>(static_cast<int>(random() % 3) - 1)));
  package.add(key, {kFamilyWidth, kFamilyWidth}, values, transposed);
}

plan::Plan family_plan(const Graph& g, const kir::Target& target) {
  plan::Plan p = plan::lower(run_passes(g, compilation_passes()).graph,
                             {.name = "test", .target = target, .numerics = Numerics::fast, .entries = {}});
  plan::run_passes(p);
  return p;
}

}  // namespace

TEST_CASE("members of a family share a schedule: one that some of them cannot have is for none") {
  sim_test::TestPackage package("plan_families");
  add_family_member<Half>(package, "W.0", true);
  add_family_member<std::int8_t>(package, "W.1", true);
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    const auto x = b.input("x", f32, {b.dim("N", 1, 100), kFamilyWidth});
    b.output("y", b.loop("l", 0, 2, x, [&](Index l, Value h) { return matmul(h, model("W.{}", l)) * 0.125f; }));
  });
  const plan::Plan p = family_plan(g, kFamilyUnits);
  const std::string text = to_text(p);
  INFO(text);
  CHECK_THAT(text, Catch::Contains("share no other schedule") && !Catch::Contains("why: matrix units"));
  CHECK(p.kernels.size() == 2);
  Tensor x(f32, {70, kFamilyWidth});
  for (std::size_t i = 0; i < x.data<float>().size(); ++i)
    x.mutable_data<float>()[i] = static_cast<float>(static_cast<int>(i * 7 % 17) - 8) / 8;
  SimSession sim(model, g);
  // Sums of 64 eighths are exact in f32 whatever their order.
  CHECK(testing::distance(plan_test::InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"),
                          sim.run_step({{"x", x}})["y"]) == 0);
}

TEST_CASE("lowerings are alike where nothing but kernels, origins and names of scratch differ") {
  using namespace openinfer::plan;
  const auto scratch = [](DType dtype) { return Buffer{.name = "s", .dtype = dtype, .shape = {Dim(4)}}; };
  const std::vector<Buffer> buffers = {scratch(f32), scratch(f32), scratch(f32), scratch(f16)};  // 1 | 1 | 2 of each
  const auto alike = [&](const Step& a, const Step& b) { return Alike(buffers, 1, 2)({a}, {b}); };
  const auto dispatch = [](int y) {
    return Dispatch{.kernels = {y},
                    .operands = {{0}, {y}},
                    .params = {Size(3)},
                    .grid = {{Size(8), 2}},
                    .results = {{"y", 5, {y}, Size(4)}}};
  };
  const auto changed = [&](const auto& change) {
    Dispatch d = dispatch(2);
    change(d);
    return d;
  };
  CHECK(alike(dispatch(1), dispatch(2)));
  CHECK(alike(dispatch(0), dispatch(0)));
  CHECK_FALSE(alike(dispatch(1), dispatch(3)));  // scratch of another dtype
  CHECK_FALSE(alike(dispatch(0), dispatch(2)));  // what was there before is itself
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.operands[0].buffer = 2; })));  // two by one
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.operands[0].offset = Size(1); })));
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.operands.pop_back(); })));
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.params = {Size(4)}; })));
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.grid[0].divide = 4; })));
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.grid.push_back({Size(2)}); })));
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.results[0].id = 6; })));
  CHECK_FALSE(alike(dispatch(1), changed([](Dispatch& d) { d.lookup.table = 0; })));
  CHECK_FALSE(alike(dispatch(1), Copy{{0}, {2}, Size(4)}));
  CHECK(alike(Copy{{0}, {1}, Size(4)}, Copy{{0}, {2}, Size(4)}));
  CHECK_FALSE(alike(Copy{{0}, {1}, Size(4)}, Copy{{0}, {2}, Size(3)}));
  CHECK_FALSE(Alike(buffers, 1, 2)({dispatch(1)}, {}));
}
