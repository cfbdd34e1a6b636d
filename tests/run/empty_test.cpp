// SPDX-License-Identifier: Apache-2.0
// Sizes that are 0 at run time, or smaller than what a graph takes for granted: compiled sessions compute or refuse
// them as the simulator does; and ids beyond their table.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>

#include "codegen/run/compiled_graph.h"
#include "tests/run/vulkan_there.h"
#include "tests/sim/test_package.h"

using namespace openinfer;
using Catch::Contains;

namespace {

struct AnyPackage {
  explicit AnyPackage(const std::string& name) : package(name) { package.add<float>("W", {1}, {1}, false); }
  sim_test::TestPackage package;
  Model model = package.open();
};

/// x of `rows` rows of four elements: refused by both for the size N, or the same from both.
void refused_or_same(const Model& model, const Graph& g, Backend backend, std::int64_t rows, bool refused) {
  CAPTURE(name(backend), rows);
  SimSession sim(model, g), compiled(model, g, backend);
  Tensor x(f32, {rows, 4});
  for (std::int64_t i = 0; i < 4 * rows; ++i)
    x.mutable_data<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i * 7 % 5);
  if (refused) {
    CHECK_THROWS(sim.run_step({{"x", x}}));
    CHECK_THROWS_WITH(compiled.run_step({{"x", x}}),
                      Contains("N = " + std::to_string(rows)) && Contains("takes N in ["));
    return;
  }
  const Outputs wanted = sim.run_step({{"x", x}}), got = compiled.run_step({{"x", x}});
  for (const auto& [name, tensor] : wanted.all()) CHECK(got[name] == tensor);
}

}  // namespace

TEST_CASE("there is no largest of no elements, and a table has no entry beyond its last: compiled code refuses",
          "[long]") {
  AnyPackage any("run_extents");
  const auto over = [](const std::function<Value(GraphBuilder&, const Value& x)>& y) {
    return graph([&](GraphBuilder& b) { b.output("y", y(b, b.input("x", f32, {b.dim("N", 0, 64), 4}))); });
  };
  const Graph largest = over([](GraphBuilder&, const Value& x) { return max(x, {.axes = {0}}); });
  const Graph place = over([](GraphBuilder&, const Value& x) { return argmin(x, 0); });
  const Graph looked_up = over([](GraphBuilder& b, const Value& x) {
    return gather(x, b.constant(Tensor(std::vector<std::int32_t>{0, 5}, {2})));
  });
  const Graph computed = over([](GraphBuilder&, const Value& x) {
    return gather(x, cast(sum(x, {.axes = {1}}) * 0.f, i32));  // as many ids as entries: of none, nothing
  });
  for (const Backend backend : run_test::backends()) {
    for (const Graph& g : {largest, place}) {
      refused_or_same(any.model, g, backend, 0, true);
      refused_or_same(any.model, g, backend, 3, false);
    }
    refused_or_same(any.model, looked_up, backend, 5, true);
    refused_or_same(any.model, looked_up, backend, 6, false);
    refused_or_same(any.model, computed, backend, 0, false);
    refused_or_same(any.model, computed, backend, 2, false);
  }
}

TEST_CASE("ids that no table can have, and tables that may be empty behind two sizes, are refused before a step") {
  AnyPackage any("run_ids");
  const auto entries = [&](const Dim& extent, std::vector<std::int32_t> ids) {
    return [extent, ids](GraphBuilder& b) {
      const auto count = static_cast<std::int64_t>(ids.size());
      b.output("y", gather(b.input("x", f32, {extent, 4}), b.constant(Tensor(ids, {count}))));
    };
  };
  const Graph beyond = graph(entries(3, {0, 3})), below = graph(entries(3, {1, -1}));
  CHECK_THROWS_WITH(SimSession(any.model, beyond, Backend::cpu), Contains("at most 3, and 4 are needed"));
  CHECK_THROWS_WITH(SimSession(any.model, below, Backend::cpu), Contains("id -1 at place 1"));
  const Graph sums = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 0, 4), M = b.dim("M", 0, 4);
    b.output("y", max(concat({b.input("x", f32, {N}), b.input("z", f32, {M})}, 0), {.axes = {0}}));
  });
  CHECK_THROWS_WITH(SimSession(any.model, sums, Backend::cpu), Contains("may have 0, and 1 are needed"));
}

TEST_CASE("computed ids, however far from the table, take its nearest entry, and rows the nearest expert") {
  AnyPackage any("run_far_ids");
  const Graph g = graph([](GraphBuilder& b) {
    const Value places = b.input("places", i64, {4});
    const Value far = places * b.constant(Tensor(std::vector<std::int64_t>{std::int64_t{1} << 32}, {1}));
    b.output("y", gather(b.constant(Tensor(std::vector<float>{2, 3, 5}, {3})), far));
    const Value expert = cast(places, i32) * b.constant(Tensor(std::vector<std::int32_t>{1 << 30}, {1}));
    const Value weights = b.constant(Tensor(std::vector<float>{2, 3, 5}, {3, 1, 1}));
    b.output("z", expert_matmul(b.constant(Tensor(std::vector<float>{1, 1, 1, 1}, {4, 1})), weights,
                                reshape(expert, {4, 1})));
  });
  const Tensor places(std::vector<std::int64_t>{1, 0, -1, 1}, {4});
  CHECK_THROWS_WITH(SimSession(any.model, g).run_step({{"places", places}}), Contains("id 4294967296 at place 0"));
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    const Outputs got = SimSession(any.model, g, backend).run_step({{"places", places}});
    CHECK(got["y"] == Tensor(std::vector<float>{5, 2, 2, 5}, {4}));
    CHECK(got["z"] == Tensor(std::vector<float>{5, 2, 2, 5}, {4, 1, 1}));
  }
}

TEST_CASE("values without elements pass the validation layers") {
  if (!run_test::has_vulkan()) return;
  AnyPackage any("run_empty");
  const Graph g = graph([](GraphBuilder& b) {
    const Value e = exp(b.input("x", f32, {0, 4}));
    b.output("y", transpose(transpose(e) * 2.f));
    b.output("t", sum(e, {.axes = {0}}));
    const Value z = b.input("z", u8, {3});
    b.output("w", flip(z + z, {0}));
  });
  run::CompiledGraph steps(any.model, g, Backend::vulkan, {.validate = true});
  const Outputs got = steps.step({{"x", Tensor(f32, {0, 4})}, {"z", Tensor(std::vector<std::uint8_t>{1, 2, 3}, {3})}});
  CHECK(got["w"] == Tensor(std::vector<std::uint8_t>{6, 4, 2}, {3}));
  CHECK(got["t"] == Tensor(f32, {4}));
}

TEST_CASE("of what is known to be empty, logsumexp is that of nothing, and log_softmax has nothing to say") {
  AnyPackage any("run_known_empty");
  const Graph g = graph([](GraphBuilder& b) {
    const Value x = b.input("x", f16, {3, 0});
    b.output("all", logsumexp(x));
    b.output("rows", logsumexp(x, {.axes = {-1}, .keepdims = true}));
    b.output("columns", logsumexp(x, {.axes = {0}}));
    b.output("y", log_softmax(x));
    b.output("z", log_softmax(x, 0));
  });
  const Outputs wanted = SimSession(any.model, g).run_step({{"x", Tensor(f16, {3, 0})}});
  for (const Backend backend : run_test::backends()) {
    CAPTURE(name(backend));
    const Outputs got = SimSession(any.model, g, backend).run_step({{"x", Tensor(f16, {3, 0})}});
    for (const auto& [name, tensor] : wanted.all()) CHECK(got[name] == tensor);
  }
}
