// SPDX-License-Identifier: Apache-2.0
// plan.txt read again: each step where it stood, with all that was printed of it; and what kernels say of themselves.
#include "codegen/plan/read.h"

#include <openinfer/openinfer.h>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "codegen/plan/walk.h"
#include "lib/passes/pipeline.h"

using namespace openinfer;

namespace {

Tensor halves(Extents shape) {
  Tensor t(f32, shape);
  for (float& x : t.mutable_data<float>()) x = 0.5f;
  return t;
}

constexpr int kLoopLine = __LINE__ + 9;
/// A loop with a product, a branch, and an output that is copied.
Graph branched() {
  return graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 5);
    auto x = b.input("x", f32, {N, 32}), table = b.input("table", f32, {100, 32});
    auto more = b.input("more", boolean, {}), ids = b.input("ids", i32, {N});
    auto w = b.constant("w", halves({32, 32}));

    auto y = b.loop("l", 0, 3, x, [&](Index, Value h) { return (matmul(h, w) | gelu()) + h; });
    auto z = b.cond(
        more, [&] { return y * 2.0; }, [&] { return gather(table, ids) - y; });
    b.output("y", y);
    b.output("z", z);
  });
}

plan::Plan planned(const Graph& g) {
  plan::Plan p = plan::lower(run_passes(g, compilation_passes(), {}).graph, {.name = "test", .target = {.lanes = 8}});
  plan::run_passes(p);
  return p;
}

}  // namespace

TEST_CASE("every dispatch of a plan is read back from its text") {
  const plan::Plan p = planned(branched());
  const std::string text = to_text(p);
  INFO(text);
  std::vector<plan::PlanStep> steps;
  for (plan::PlanStep& s : plan::read_steps(text))
    if (!s.kernels.empty()) steps.push_back(std::move(s));
  const auto dispatches = plan::dispatches(p.entries[0]);
  REQUIRE(steps.size() == dispatches.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const plan::Dispatch& d = *dispatches[i].dispatch;
    const plan::PlanStep& s = steps[i];
    CHECK(s.entry == "step");
    CHECK(s.number == dispatches[i].number);
    CHECK(s.kernels.front() == p.kernels[static_cast<std::size_t>(d.kernels.front())].code.name);
    CHECK(s.turns == (dispatches[i].loops.empty() ? 1 : 3));
    CHECK(s.bytes == static_cast<std::int64_t>(d.origin.bytes));
    CHECK(s.flops == static_cast<std::int64_t>(d.origin.flops));
    CHECK(s.work == work_text(d.origin));
    CHECK(s.reason == d.origin.reason);
    CHECK_FALSE(s.reason.empty());
    CHECK_FALSE(s.operands.empty());
    REQUIRE(s.nodes.size() == d.origin.nodes.size());
    for (std::size_t n = 0; n < s.nodes.size(); ++n) {
      CHECK(s.nodes[n].text == d.origin.nodes[n]);
      CHECK(s.nodes[n].at == d.origin.at[n].to_string());
    }
  }
}

TEST_CASE("more variants than there are digits are read back as they were") {
  plan::Plan p = planned(branched());
  std::vector<std::uint8_t> turns;
  for (std::uint8_t v = 0; v < 26; ++v) turns.push_back(static_cast<std::uint8_t>(v < 11 ? 10 - v : v));
  for (plan::Step& step : p.entries[0].steps)
    if (auto* loop = std::get_if<plan::Loop>(&step))
      for (plan::Step& inner : loop->body)
        if (auto* d = std::get_if<plan::Dispatch>(&inner)) {
          d->kernels.resize(turns.size(), d->kernels.front());
          d->variant = turns;
        }
  const std::string text = to_text(p);
  INFO(text);
  CHECK(text.find("kernel by turn: kjihgfedcbalmnopqrstuvwxyz") != text.npos);
  bool seen = false;
  for (const plan::PlanStep& s : plan::read_steps(text)) {
    if (s.kernels.size() < 2) continue;
    seen = true;
    CHECK(s.kernels.size() == turns.size());
    CHECK(s.variant == turns);
  }
  CHECK(seen);
}

TEST_CASE("steps know the loops and branches around them") {
  const auto steps = plan::read_steps(to_text(planned(branched())));
  const auto around = [&](const std::string& node) {
    for (const plan::PlanStep& s : steps)
      for (const auto& n : s.nodes)
        if (n.text.find(node) != std::string::npos) return s.around;
    return std::vector<std::string>{"none"};
  };
  CHECK(around("matmul") == std::vector<std::string>{"for l in 0..3"});
  CHECK(around("mul") != std::vector<std::string>{"none"});
  CHECK(around("gather") == std::vector<std::string>{"else of if more"});
  bool copied = false;
  for (const plan::PlanStep& s : steps) copied = copied || (s.kernels.empty() && s.what.starts_with("copy "));
  CHECK(copied);
}

TEST_CASE("a dispatch counts what it looks at and what it computes") {
  const plan::Plan p = planned(branched());
  double product_flops = 0, gather_bytes = 0;
  for (const auto& placed : plan::dispatches(p.entries[0])) {
    const plan::Origin& o = placed.dispatch->origin;
    for (const std::string& n : o.nodes) {
      if (n.ends_with("matmul")) product_flops = o.flops;
      if (n.ends_with("gather")) gather_bytes = o.bytes;
    }
  }
  CHECK(product_flops >= 2 * 5 * 32 * 32);
  CHECK(product_flops < 2.5 * 5 * 32 * 32);
  // Rows looked up, ids, y and the result: not the hundred rows of the table.
  CHECK(gather_bytes == 5 * 32 * 4 * 3 + 5 * 4);
}

TEST_CASE("kernels say where they came from, who calls them and why") {
  const plan::Plan p = planned(branched());
  bool seen = false;
  for (const plan::Kernel& k : p.kernels) {
    const auto& lines = k.code.provenance;
    INFO(k.code.name << ": " << fmt::format("{}", lines.empty() ? "nothing" : lines[0]));
    REQUIRE(lines.size() >= 3);
    if (!k.code.name.starts_with("matmul")) continue;
    seen = true;
    const std::string at = fmt::format("read_test.cpp:{}", kLoopLine);
    CHECK(lines[0].ends_with("= matmul  at " + at));
    CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& l) {
      return l.starts_with("dispatch ") && l.find(" of step, for l in 0..3: ") != l.npos && l.ends_with(" kFLOP");
    }));
    CHECK(k.code.buffers.front().comment == "(N, 32)");
  }
  CHECK(seen);
}

TEST_CASE("a text that is no plan is refused") {
  CHECK_THROWS_WITH(plan::read_steps("plan x\n\nkernels\n"), Catch::Contains("no entry point"));
  CHECK_THROWS_WITH(plan::read_steps(""), Catch::Contains("no plan.txt"));
  CHECK(plan::read_steps("entry a: N = 1\nsteps:\n    0 broken\n   x\n  for\n  for i in\n    1 k x [").size() == 2);
}
