// SPDX-License-Identifier: Apache-2.0
// Plans of small graphs: as text, their memory, and what they compute, run by the kernel interpreter.
#include "codegen/plan/lower.h"

#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <random>

#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "tests/distance.h"
#include "tests/plan/interpreted_plan.h"
#include "tests/sim/small_llama.h"

using namespace openinfer;
using plan_test::InterpretedPlan;

namespace {

plan::Plan make_plan(const Graph& g, kir::Target target, std::vector<plan::EntrySpec> entries = {}, bool fuse = true) {
  PassOptions options;
  if (!fuse) options.no_fuse = {"all"};
  plan::Plan p = plan::lower(run_passes(g, compilation_passes(), options).graph,
                             {.name = "test", .target = target, .entries = std::move(entries)});
  plan::run_passes(p);
  return p;
}

Tensor random_tensor(Extents shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor t(f32, shape);
  for (float& x : t.mutable_data<float>()) x = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 500.0f;
  return t;
}

/// |a - b| ≤ bound · the largest |b|: sums are reassociated, so bounds scale with the output.
void check_close(const Tensor& a, const Tensor& b, double bound) {
  REQUIRE(a.dtype() == b.dtype());
  CHECK(testing::distance(a, b) <= bound);
}

/// x f32[N, 8] through three turns of h = gelu(x · W) + x, and what an output and a loop have to do with each other.
Graph three_layers() {
  return graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 5);
    auto x = b.input("x", f32, {N, 8});
    auto w = b.constant("w", random_tensor({8, 8}, 3));
    auto y = b.loop("l", 0, 3, x * 0.5, [&](Index, Value h) { return (matmul(h, w) | gelu()) + h; });
    b.output("y", y);
    b.output("z", (y | silu()) - x);
  });
}

const std::vector<kir::Target> kTargets = {{.lanes = 1}, {.lanes = 16}, {.lanes = 8, .subgroups = 2}};

}  // namespace

TEST_CASE("a loop stays one loop, its carried value two buffers that change places") {
  const plan::Plan p = make_plan(three_layers(), {.lanes = 16});
  REQUIRE(p.entries.size() == 1);
  const std::string text = to_text(p);
  INFO(text);
  CHECK(text.find("for l in 0..3") != std::string::npos);
  CHECK(text.find("swap ") != std::string::npos);
  CHECK(text.find("copy ") != std::string::npos);  // y is an output and the loop's result
  std::size_t loops = 0;
  for (const plan::Step& s : p.entries[0].steps) loops += std::holds_alternative<plan::Loop>(s);
  CHECK(loops == 1);
}

TEST_CASE("buffers that are alive together do not overlap") {
  const plan::Plan p = make_plan(three_layers(), {.lanes = 16});
  for (const plan::Buffer& a : p.buffers)
    for (const plan::Buffer& b : p.buffers) {
      if (&a == &b || a.role != plan::Role::scratch || b.role != plan::Role::scratch) continue;
      const bool together = a.first <= b.last && b.first <= a.last;
      const bool apart = a.offset + a.max_bytes <= b.offset || b.offset + b.max_bytes <= a.offset;
      CHECK((!together || apart));
    }
}

TEST_CASE("the same graph gives the same plan") {
  CHECK(to_text(make_plan(three_layers(), {.lanes = 16})) == to_text(make_plan(three_layers(), {.lanes = 16})));
}

TEST_CASE("a plan computes what the simulator computes") {
  const Graph g = three_layers();
  for (const kir::Target& target : kTargets)
    for (const bool fuse : {true, false})
      for (const std::int64_t n : {1, 5}) {
        CAPTURE(target.lanes, target.subgroups, fuse, n);
        const Tensor x = random_tensor({n, 8}, 5);
        const plan::Plan p = make_plan(g, target, {}, fuse);
        const auto got = InterpretedPlan(p, nullptr).run("step", {{"x", x}});
        SimSession sim(g);
        const Outputs want = sim.run_step({{"x", x}});
        // Sums of 8 products and three layers; our exp and tanh are within 2 ULP: 30 roundings of 2^-24 suffice.
        check_close(got.at("y"), want["y"], 2e-6);
        check_close(got.at("z"), want["z"], 2e-6);
      }
}

TEST_CASE("an entry point's fixed symbol is a number in its kernels") {
  const plan::Plan p =
      make_plan(three_layers(), {.lanes = 16}, {{.name = "one", .dims = {{"N", {1, 1}}}}, {.name = "any", .dims = {}}});
  REQUIRE(p.entries.size() == 2);
  const Tensor x = random_tensor({1, 8}, 5);
  InterpretedPlan run(p, nullptr);
  const auto one = run.run("one", {{"x", x}}), any = run.run("any", {{"x", x}});
  check_close(one.at("z"), any.at("z"), 2e-6);
}

TEST_CASE("an entry point with a symbol or bounds that the graph does not have is refused") {
  CHECK_THROWS_WITH(make_plan(three_layers(), {.lanes = 16}, {{.name = "e", .dims = {{"M", {1, 1}}}}}),
                    Catch::Contains("the graph has no dimension 'M'"));
  CHECK_THROWS_WITH(make_plan(three_layers(), {.lanes = 16}, {{.name = "e", .dims = {{"N", {1, 6}}}}}),
                    Catch::Contains("is outside the graph's [1, 5]"));
}

TEST_CASE("what is too large for a kernel's indices is refused with the user's line") {
  const Graph g = graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 1 << 20);
    b.output("y", exp(b.input("x", f32, {N, 4096})));
  });
  CHECK_THROWS_WITH(make_plan(g, {.lanes = 16}),
                    Catch::Contains("may have 4294967296 elements or blocks") && Catch::Contains("plan_test.cpp"));
}

/// Two layers a turn: what x leaves in layers 1, 2 and 3, 4 of a cache comes back as y, and `more` layers behind.
Graph layers_in_pairs(std::int64_t more) {
  return graph([&](GraphBuilder& b) {
    auto N = b.dim("N", 1, 5);
    auto x = b.input("x", f32, {N, 8});
    auto pos = b.input("pos", i32, {N});
    auto kv = b.state("kv", kv_cache({.layers = 5, .slots = 1, .capacity = 6, .heads = 2, .head_dim = 4}));
    auto y = b.loop("l", 0, 2, x, [&](Index l, Value h) {
      for (const Index& layer : {l * 2 + 1, l * 2 + (2 + more)}) {
        kv_write(kv, {.layer = layer, .pos = pos}, h, h * 0.5);
        auto [ks, vs] = kv_read(kv, {.layer = layer});
        h = h + sdpa(h, ks, vs, {.pos = pos});
      }
      return h;
    });
    b.output("y", y);
    b.output("last", b.loop("m", 0, 3, fill(b, {}, 0, i32), [&](Index m, Value) { return b.value(m * 2 + 1); }));
  });
}

TEST_CASE("a loop's index, times and plus numbers, picks layers of a cache and costs no dispatch") {
  const Graph g = layers_in_pairs(0);
  Tensor x = random_tensor({3, 8}, 5), pos(i32, {3});
  for (std::int32_t i = 0; i < 3; ++i) pos.mutable_data<std::int32_t>()[static_cast<std::size_t>(i)] = i;
  for (const bool fuse : {true, false}) {
    const plan::Plan p = make_plan(g, {.lanes = 16}, {}, fuse);
    INFO(to_text(p));
    SimSession sim(g);
    InterpretedPlan run(p, nullptr);
    for (int step = 0; step < 2; ++step) {
      const auto got = run.run("step", {{"x", x}, {"pos", pos}});
      const Outputs want = sim.run_step({{"x", x}, {"pos", pos}});
      check_close(got.at("y"), want["y"], 2e-6);
      CHECK(got.at("last").data<std::int32_t>()[0] == 5);  // read as a tensor it is one
    }
    const auto is_loop = [](const plan::Step& s) { return std::holds_alternative<plan::Loop>(s); };
    const auto& steps = p.entries[0].steps;
    const auto& body = std::get<plan::Loop>(*std::find_if(steps.begin(), steps.end(), is_loop)).body;
    const auto is_dispatch = [](const plan::Step& s) { return std::holds_alternative<plan::Dispatch>(s); };
    // Twice h * 0.5, kv_write, sdpa and the sum.
    if (!fuse) CHECK(std::count_if(body.begin(), body.end(), is_dispatch) == 8);
  }
}

TEST_CASE("numbers that kernels want in memory are not the graph's constants of the same name") {
  const auto one = [](std::int32_t n) { return Tensor(std::vector<std::int32_t>{n}, {}); };
  const Graph g = graph([&](GraphBuilder& b) {
    const auto x = b.input("x", f32, {3});
    const auto theirs = b.constant("literal_1_i32", one(2));
    b.output("before", gather(x, theirs));
    b.output("y", gather(x, b.value(1)));
    b.output("behind", gather(x, b.value(1)) + gather(x, theirs));
  });
  const plan::Plan p = make_plan(g, {.lanes = 8});
  const auto got = InterpretedPlan(p, nullptr).run("step", {{"x", Tensor(std::vector<float>{10, 20, 40}, {3})}});
  CHECK(got.at("before").data<float>()[0] == 40);
  CHECK(got.at("y").data<float>()[0] == 20);
  CHECK(got.at("behind").data<float>()[0] == 60);
  CHECK(p.constants.size() == 2);
}

TEST_CASE("a layer outside the cache is refused with the user's line") {
  CHECK_THROWS_WITH(make_plan(layers_in_pairs(1), {.lanes = 16}),
                    Catch::Contains("[kv_write] layer 5 is outside the cache, which has 5 layers at plan_test.cpp"));
  CHECK_THROWS_WITH(make_plan(layers_in_pairs(-3), {.lanes = 16}), Catch::Contains("layer -1 is outside the cache"));
}

TEST_CASE("a llama's plan gives the simulator's logits, by decoding and by prompts") {
  sim_test::TestPackage package("plan_llama");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  for (const bool fuse : {true, false}) {
    CAPTURE(fuse);
    const plan::Plan p = make_plan(g, {.lanes = 16},
                                   {{.name = "decode", .dims = {{"N", {1, 1}}, {"R", {1, 1}}}},
                                    {.name = "prefill", .dims = {{"N", {1, 16}}, {"R", {1, 16}}}}},
                                   fuse);
    InterpretedPlan run(p, &model, {{"slots", 2}, {"ctx", 24}});
    SimSession sim(model, g, {.dims = {{"slots", 2}, {"ctx", 24}}});
    const auto ids = [](std::vector<std::int32_t> v) {
      Tensor t(i32, {static_cast<std::int64_t>(v.size())});
      std::copy(v.begin(), v.end(), t.mutable_data<std::int32_t>().begin());
      return t;
    };
    const auto compare = [&](const std::string& entry, const Tensor& tok, const Tensor& pos, const Tensor& slot,
                             const Tensor& rows) {
      const auto got = run.run(entry, {{"tok", tok}, {"pos", pos}, {"slot", slot}, {"rows", rows}});
      const Outputs want = sim.run_step({{"tok", tok}, {"pos", pos}, {"slot", slot}, {"rows", rows}});
      check_close(got.at("logits"), want["logits"], 2e-5);
    };
    compare("prefill", ids({3, 10, 17, 24, 31}), ids({0, 1, 2, 3, 4}), ids({0, 0, 0, 0, 0}), ids({1, 4}));
    compare("decode", ids({11}), ids({5}), ids({0}), ids({0}));
    compare("prefill", ids({7, 12, 9}), ids({0, 6, 1}), ids({1, 0, 1}), ids({0, 1, 2}));
    compare("decode", ids({40}), ids({2}), ids({1}), ids({0}));
  }
}
