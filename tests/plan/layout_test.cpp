// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/layout.h"

#include <catch2/catch.hpp>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "tests/distance.h"
#include "tests/plan/interpreted_plan.h"
#include "tests/sim/layout_model.h"

using namespace openinfer;
using kernels::Layout;

namespace {

plan::Plan plan_of_entries(const Graph& g, const kir::Target& target) {
  plan::Plan p = plan::lower(run_passes(g, compilation_passes()).graph,
                             {.name = "test",
                              .target = target,
                              .entries = {{.name = "decode", .dims = {{"N", {1, 1}}}}, {.name = "prefill"}}});
  plan::run_passes(p);
  return p;
}

const plan::Buffer& weight(const plan::Plan& p, std::string_view key) {
  for (const plan::Buffer& b : p.buffers)
    if (b.role == plan::Role::weight && b.key == key) return b;
  throw std::logic_error("no weight " + std::string(key));
}

Tensor tokens(std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(i * 11 % 48));
  return Tensor(ids, {count});
}

/// The same weights as rows and as a packed package has them.
struct Packages {
  explicit Packages(const std::string& name) : rows(name + "_rows"), panels(name + "_panels") {
    sim_test::fill_layout_model(rows.writer());
    in_rows.emplace(rows.open());
    const auto reader = opnf::Reader::open(rows.path().string());
    panels.writer().copy(reader, opnf::Layout::panel16);
    in_panels.emplace(panels.open());
  }
  sim_test::TestPackage rows, panels;
  std::optional<Model> in_rows, in_panels;
};

}  // namespace

TEST_CASE("weights of products become panels where the device has them, with their reasons") {
  Packages packages("plan_layouts");
  for (const Model& model : {*packages.in_rows, *packages.in_panels}) {
    const plan::Plan p = plan_of_entries(sim_test::layout_graph(model), {.lanes = 16, .panels = true});
    for (const char* key : {"table", "head", "Wq.{}", "Wk.{}", "Wv.{}", "Wo.{}"}) {
      INFO(key);
      CHECK(weight(p, key).layout == Layout::panel16);
    }
    CHECK(weight(p, "A").layout == Layout::rows);
    CHECK(weight(p, "A").why_layout == "read together with B, which stays in rows");
    CHECK(weight(p, "B").why_layout == "24 rows are no whole panels of 16");
    CHECK(weight(p, "cast").why_layout == "cast reads it in rows");
    const std::string text = to_text(p);
    CHECK(text.find("panel16: the tensor is in panels for a product; rows are looked up there") != std::string::npos);
    CHECK(text.find("panels of 16 rows of W as lanes, f32 products") != std::string::npos);
  }
}

TEST_CASE("a device without panels has rows and nothing to say about it") {
  Packages packages("plan_no_layouts");
  const plan::Plan p = plan_of_entries(sim_test::layout_graph(*packages.in_panels), {.lanes = 8, .subgroups = 4});
  for (const plan::Buffer& b : p.buffers) {
    CHECK(b.layout == Layout::rows);
    CHECK(b.why_layout.empty());
  }
  CHECK(to_text(p).find("panel") == std::string::npos);
}

TEST_CASE("a table that is only looked up stays as the package has it") {
  Packages packages("plan_table");
  const auto of = [](const Model& model) {
    const Graph g = graph(model, [&](GraphBuilder& b) {
      b.output("y", gather(model["table"], b.input("tok", i32, {b.dim("N", 1, 20)})) | cast(f32));
    });
    return weight(plan_of_entries(g, {.lanes = 16, .panels = true}), "table").layout;
  };
  CHECK(of(*packages.in_rows) == Layout::rows);
  CHECK(of(*packages.in_panels) == Layout::panel16);
}

TEST_CASE("a plan with panels computes what the simulator computes, from either package") {
  Packages packages("plan_layout_values");
  const std::vector<kir::Target> targets = {
      {.lanes = 16, .panels = true}, {.lanes = 8, .fast_fma = true, .panels = true}, {.lanes = 4, .subgroups = 2}};
  for (const kir::Target& target : targets)
    for (const Model& model : {*packages.in_rows, *packages.in_panels}) {
      const Graph g = sim_test::layout_graph(model);
      const plan::Plan p = plan_of_entries(g, target);
      SimSession sim(model, g);
      for (const std::int64_t n : {1, 19}) {
        CAPTURE(target.lanes, n);
        plan_test::InterpretedPlan interpreted(p, &model);
        const auto got = interpreted.run(n == 1 ? "decode" : "prefill", {{"tok", tokens(n)}});
        const Outputs want = sim.run_step({{"tok", tokens(n)}});
        for (const char* name : {"logits", "a", "b", "c", "d"}) {
          INFO(name);
          // Five products one behind the other, sums of 64 in another order: 5 · 64 roundings of 2^-24, and as much
          // again for what cancels in them.
          CHECK(testing::distance(got.at(name), want[name]) <= 4e-5);
          const auto values = want[name].data<float>();
          CHECK(std::any_of(values.begin(), values.end(), [](float v) { return v != 0; }));
        }
      }
    }
}
