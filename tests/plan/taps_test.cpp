// SPDX-License-Identifier: Apache-2.0
// Where the taps pass puts taps, as text and as data.
#include <openinfer/openinfer.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"

using namespace openinfer;

namespace {

plan::Plan make_plan(const Graph& g, bool taps) {
  plan::Plan p = plan::lower(run_passes(g, compilation_passes()).graph,
                             {.name = "test", .target = {.lanes = 16}, .entries = {}, .taps = taps});
  plan::run_passes(p);
  return p;
}

std::vector<std::string> tapped(const plan::Plan& p) {
  std::vector<std::string> names;
  for (const plan::Tap& t : p.taps) names.push_back(t.result.value);
  return names;
}

}  // namespace

TEST_CASE("a value that a dispatch writes has a tap behind it, one that is fused away has none") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto x = b.input("x", f32, {b.dim("N", 1, 5), 8});
    const auto h = b.loop("l", 0, 3, x * 0.5, [&](Index, Value h) { return (h + 1.0) % hints{.name = "more"}; });
    b.output("y", (sum(h) % hints{.name = "total"}) * ((h * 2.0) % hints{.name = "inner"} | silu()));
  });
  const plan::Plan p = make_plan(g, true);
  INFO(to_text(p));
  const auto names = tapped(p);
  CHECK(std::count(names.begin(), names.end(), "more") == 1);  // in the loop: once in the plan
  CHECK(std::count(names.begin(), names.end(), "total") == 1);
  CHECK(std::count(names.begin(), names.end(), "inner") == 0);
  CHECK(to_text(p).find("\ntaps\n   0 step behind   0: ") != std::string::npos);
}

TEST_CASE("a plan that wants no taps has none, and is the same but for them") {
  const Graph g = graph([](GraphBuilder& b) { b.output("y", b.input("x", f32, {4}) * 2.0); });
  const plan::Plan without = make_plan(g, false), with = make_plan(g, true);
  CHECK(without.taps.empty());
  CHECK(to_text(without).find("\ntaps\n") == std::string::npos);
  CHECK(to_text(with).find("\ntaps\n   0 step behind   0: mul in y, 4 elements\n") != std::string::npos);
  CHECK(to_text(with).starts_with(to_text(without).substr(0, to_text(without).find("\nkernels"))));
}

TEST_CASE("a value that several dispatches write is looked at behind the last of them") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto x = b.input("x", f32, {3, 4}), z = b.input("z", f32, {2, 4});
    b.output("y", concat({x, z}, 0));
  });
  const plan::Plan p = make_plan(g, true);
  INFO(to_text(p));
  REQUIRE(p.taps.size() == 1);
  CHECK(p.taps[0].dispatch == 1);
  CHECK(p.taps[0].earlier.size() == 1);
  CHECK(p.taps[0].earlier != p.taps[0].kernels);
}

TEST_CASE("what is wrong behind a dispatch without a value is the next one's") {
  const Graph g = graph([](GraphBuilder& b) { b.output("y", sum(b.input("x", f32, {3, 4, 5}), {.axes = {0, 2}})); });
  const plan::Plan p = make_plan(g, true);  // a transposition into memory of its own, then the sum
  INFO(to_text(p));
  REQUIRE(p.taps.size() == 1);
  CHECK(p.taps[0].dispatch == 1);
  CHECK(p.taps[0].earlier.size() == 1);
}

TEST_CASE("rows that are written into a cache are a tap of its layer, keys and values") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 4), ctx = b.dim("ctx", 1, 8);
    const auto pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N});
    const auto x = b.input("x", f32, {N, 16});
    const auto kv = b.state("kv", kv_cache({.layers = 3, .slots = 2, .capacity = ctx, .heads = 2, .head_dim = 8}));
    b.output("y", b.loop("l", 0, 3, x, [&](Index l, Value h) {
      kv_write(kv, {.layer = l, .pos = pos, .slot = slot}, h | rope(pos, {.head_dim = 8}), h);
      const auto [keys, values] = kv_read(kv, {.layer = l});
      return h + sdpa(h, keys, values, {.pos = pos, .slot = slot});
    }));
  });
  const plan::Plan p = make_plan(g, true);
  INFO(to_text(p));
  const auto names = tapped(p);
  const auto keys = std::find(names.begin(), names.end(), "kv.keys");
  REQUIRE(keys != names.end());
  CHECK(*std::next(keys) == "kv.values");
  const plan::Result& r = p.taps[static_cast<std::size_t>(keys - names.begin())].result;
  CHECK(r.elements.text() == "ctx * 32");
  CHECK(r.place.offset.text() == "ctx * l * 32");
}
