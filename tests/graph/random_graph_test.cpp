// SPDX-License-Identifier: Apache-2.0
// Properties that hold for every graph: its text is a fixpoint, passes keep its results, and its drawing is well
// formed.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "lib/passes/fused_group.h"
#include "lib/passes/pipeline.h"
#include "tests/graph/random_graph.h"
#include "tests/sanitizers.h"

using namespace openinfer;

namespace {

constexpr unsigned kGraphs = 200 / kFewer;

/// Both outputs of two steps, as bytes: the second step sees what the first one stored.
std::vector<Tensor> run(const Graph& g) {
  SimSession sim(g, {.threads = 1});
  std::vector<Tensor> results;
  for (const bool flag : {true, false}) {
    Tensor x(std::vector<float>{0.5f, -1, 2, 0.25f, 3, -0.125f, 1, 0, -2, 4, -0.5f, 1}, {3, 4});
    const Outputs out = sim.run_step({{"x", x}, {"flag", Tensor::scalar(flag)}});
    results.push_back(out["y"]);
    results.push_back(out["total"]);
  }
  return results;
}

std::size_t count(const std::string& text, char c) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), c));
}

}  // namespace

TEST_CASE("text_of_a_random_graph_parses_to_the_same_graph") {
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    const Graph g = RandomGraph(seed).make();
    const std::string text = to_text(g);
    INFO("seed " << seed << "\n" << text);
    const Graph parsed = parse_graph(text);
    REQUIRE(to_text(parsed) == text);
    REQUIRE(run(parsed) == run(g));
  }
}

TEST_CASE("passes_keep_the_results_of_a_random_graph") {
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    const Graph g = RandomGraph(seed).make();
    INFO("seed " << seed << "\n" << to_text(g));
    REQUIRE(run(run_passes(g, compilation_passes()).graph) == run(g));
  }
}

TEST_CASE("each_pass_alone_keeps_the_results_and_ends") {
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    const Graph g = RandomGraph(seed).make();
    INFO("seed " << seed << "\n" << to_text(g));
    const auto wanted = run(g);
    for (const GraphPass& pass : compilation_passes()) {
      INFO(pass.name);
      const Graph changed = run_passes(g, {&pass, 1}).graph;
      REQUIRE(to_text(parse_graph(to_text(changed))) == to_text(changed));
      REQUIRE(run(changed) == wanted);
      REQUIRE(run_passes(changed, {&pass, 1}).graph.shared() == changed.shared());
    }
  }
}

TEST_CASE("groups_of_a_random_graph_are_kernels") {
  int groups = 0;
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    const Graph g = run_passes(RandomGraph(seed).make(), compilation_passes()).graph;
    INFO("seed " << seed << "\n" << to_text(g));
    const Uses uses(g.data());
    std::vector<int> sizes;
    for (const Node& n : g.data().nodes)
      if (n.fused >= 0) sizes.resize(std::max(sizes.size(), static_cast<std::size_t>(n.fused) + 1)), ++sizes[n.fused];
    for (std::size_t group = 0; group < sizes.size(); ++group) {
      const FusedGroup found = classify(g.data(), uses, static_cast<int>(group));
      REQUIRE(found.nodes.size() == static_cast<std::size_t>(sizes[group]));
      REQUIRE(found.nodes.size() > 1);
      REQUIRE(found.outputs.size() > 0);
    }
    groups += static_cast<int>(sizes.size());
  }
  CHECK(groups > static_cast<int>(kGraphs));
}

TEST_CASE("a_drawing_names_every_input_output_and_operator") {
  Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {2});
    auto s = b.state("s", tensor_state(f32, {2}));
    x = b.loop("l", 0, 3, x, [&](Index, Value x) {
      state_write(s, x);
      return tanh(x) % hints{.name = "quoted"};
    });
    b.output("y", x + state_read(s));
  });
  const std::string dot = to_dot(g);
  CHECK_THAT(dot, Catch::StartsWith("digraph") && Catch::Contains("cluster") && Catch::Contains("tanh") &&
                      Catch::Contains("state_write") && Catch::Contains("\"x") && Catch::Contains("dashed"));
  CHECK(count(dot, '{') == count(dot, '}'));
  CHECK(count(dot, '"') % 2 == 0);
}
