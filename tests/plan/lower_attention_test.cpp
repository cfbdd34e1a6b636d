// SPDX-License-Identifier: Apache-2.0
// Plans of attention against the simulator.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "openinfer/half.h"
#include "tests/plan/interpreted_plan.h"

using namespace openinfer;

namespace {

std::vector<float> noise(std::size_t count, float size = 1) {
  std::vector<float> values;
  auto state = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' linear congruence
    values.push_back(size * (static_cast<float>(state >> 8) / (1 << 23) - 1));
  }
  return values;
}

Tensor halves(std::size_t count, float size, Extents shape) {
  std::vector<Half> values;
  for (const float x : noise(count, size)) values.emplace_back(x);
  return Tensor(values, std::move(shape));
}

Graph compiled(const Graph& g) { return run_passes(g, compilation_passes()).graph; }

plan::Plan plan_of(const Graph& g, const kir::Target& target) {
  plan::PlanOptions options;
  options.target = target;
  plan::Plan p = plan::lower(compiled(g), options);
  plan::run_passes(p);
  return p;
}

void check_close(std::span<const float> got, std::span<const float> wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element " << i);
    // Three turns of f32 sums of at most 16 products below 16 and of values below 2.
    CHECK(std::abs(got[i] - wanted[i]) < 1e-5f);
  }
}

/// Three layers, each attending to what the last one gave: the layer's cache is a place of the state.
Graph layers() {
  return graph([](GraphBuilder& b) {
    const Dim n = b.dim("N", 1, 4);
    const State kv =
        b.state("kv", kv_cache({.layers = 3, .slots = 2, .capacity = 8, .heads = 2, .head_dim = 4, .dtype = f16}));
    const Value q = b.input("q", f32, {n, 16}), pos = b.input("pos", i32, {n}), slot = b.input("slot", i32, {n});
    b.output("y", b.loop("l", 0, 3, q, [&](Index l, Value x) {
      const auto [k, v] = kv_read(kv, {.layer = l});
      return x + sdpa(x, k, v, Attention{.pos = pos, .slot = slot, .window = 5, .softcap = 3});
    }));
  });
}

}  // namespace

TEST_CASE("attention over a cache in a loop is one dispatch that reads its layer in place") {
  const std::string text = to_text(plan_of(layers(), {.lanes = 8}));
  CAPTURE(text);
  CHECK(text.find("k = kv_keys + l * 128") != text.npos);
  CHECK(text.find("v = kv_values + l * 128") != text.npos);
  CHECK(text.find("copy kv") == text.npos);
}

TEST_CASE("attention over a cache gives what the simulator gives") {
  const Graph g = layers();
  const Tensor keys = halves(384, 2, {3, 2, 2, 8, 4}), values = halves(384, 1, {3, 2, 2, 8, 4});
  const Tensor q(noise(48), {3, 16}), pos(std::vector<std::int32_t>{7, 0, 4}, {3}),
      slot(std::vector<std::int32_t>{1, 1, 0}, {3});
  SimSession sim(g);
  StateSnapshot snapshot;
  snapshot.states = {{"kv", {keys, values}}};
  sim.restore(snapshot);
  const auto out = sim.run_step({{"q", q}, {"pos", pos}, {"slot", slot}});
  for (const kir::Target& target : {kir::Target{.lanes = 16}, kir::Target{.lanes = 4, .subgroups = 2}}) {
    const plan::Plan p = plan_of(g, target);
    plan_test::InterpretedPlan run(p, nullptr);
    run.set_state("kv.keys", keys), run.set_state("kv.values", values);
    const auto got = run.run("step", {{"q", q}, {"pos", pos}, {"slot", slot}});
    check_close(got.at("y").data<float>(), out["y"].data<float>());
  }
}

TEST_CASE("the dense form with a causal mask of its own") {
  const Graph g = graph([](GraphBuilder& b) {
    const Dim t = b.dim("T", 1, 6);
    const Value q = b.input("q", f32, {1, 4, t, 8}), k = b.input("k", f32, {1, 2, t, 8}),
                v = b.input("v", f32, {1, 2, t, 8}), mask = b.input("mask", f32, {t, t});
    b.output("y", sdpa(q, k, v, Attention{.mask = mask, .causal = true, .scale = 0.5}));
  });
  const Tensor q(noise(160), {1, 4, 5, 8}), k(noise(80, 2), {1, 2, 5, 8}), v(noise(81), {81}), mask(noise(25), {5, 5});
  const Tensor values(std::vector<float>(v.data<float>().begin(), v.data<float>().begin() + 80), {1, 2, 5, 8});
  SimSession sim(g);
  const auto out = sim.run_step({{"q", q}, {"k", k}, {"v", values}, {"mask", mask}});
  const plan::Plan p = plan_of(g, {.lanes = 8, .subgroups = 4});
  const auto got =
      plan_test::InterpretedPlan(p, nullptr).run("step", {{"q", q}, {"k", k}, {"v", values}, {"mask", mask}});
  check_close(got.at("y").data<float>(), out["y"].data<float>());
}

TEST_CASE("attention of f64 is refused with the user's line") {
  const Graph g = graph([](GraphBuilder& b) {
    const Value q = b.input("q", f64, {1, 1, 2, 8});
    b.output("y", sdpa(q, q, q));
  });
  CHECK_THROWS_WITH(plan_of(g, {}), Catch::Contains("[sdpa] devices compute it in f32 only, not in f64") &&
                                        Catch::Contains("lower_attention_test.cpp"));
}

TEST_CASE("a cache that is larger than kernels count says what makes it smaller, as far as its sizes are open") {
  const auto refused = [](const Dim& slots, const Dim& capacity, int most_slots = 16) {
    const Graph g = graph([&](GraphBuilder& b) {
      for (const Dim& d : {slots, capacity})
        if (!d.is_constant()) b.dim(d.to_string(), 1, d.to_string() == "ctx" ? (1 << 21) / most_slots : most_slots);
      const State kv =
          b.state("kv", kv_cache({.layers = 2, .slots = slots, .capacity = capacity, .heads = 8, .head_dim = 128}));
      const Value q = b.input("q", f32, {3, 1024}), pos = b.input("pos", i32, {3});
      const auto [k, v] = kv_read(kv, {.layer = 0});
      b.output("y", sdpa(q, k, v, Attention{.pos = pos, .slot = pos}));
    });
    return [g] { plan_of(g, {.lanes = 8}); };
  };
  const Dim slots = Dim::symbol("slots"), ctx = Dim::symbol("ctx");
  const std::string too_many =
      "[kv_read] 'kv.keys' may have 2147483648 elements or blocks; kernels count to 2147418112. ";
  const auto says = [&](const std::string& remedy) {
    return Catch::StartsWith(too_many + remedy + " its dimensions lower at ");
  };
  CHECK_THROWS_WITH(refused(slots, ctx)(),
                    says("Take a shorter context (--max-context) or fewer sequences (--batch), or bound"));
  CHECK_THROWS_WITH(refused(slots, ctx, 1)(), says("Take a shorter context (--max-context), or bound"));
  CHECK_THROWS_WITH(refused(16, ctx)(), says("Take a shorter context (--max-context), or bound"));
  CHECK_THROWS_WITH(refused(slots, 1 << 17)(), says("Take fewer sequences (--batch), or bound"));
  CHECK_THROWS_WITH(refused(16, 1 << 17)(), says("Bound"));
}
