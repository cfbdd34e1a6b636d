// SPDX-License-Identifier: Apache-2.0
// The decoder of include/openinfer/models/llama.h through all passes: the kernels of a layer, and the same logits.
#include <map>

#include "lib/passes/fused_group.h"
#include "tests/passes/before_after.h"
#include "tests/sim/small_llama.h"

using namespace pass_test;

namespace {

/// Operators of the kernels of a region, in order: "rms_norm+matmul+matmul".
std::vector<std::string> kernels(const GraphData& g, RegionId region) {
  std::vector<std::string> kernels;
  std::map<int, std::size_t> place;
  for (NodeId n : g.regions[region].nodes) {
    const Node& node = g.nodes[n];
    if (is_leaf(node) || !node.regions.empty()) continue;
    const auto [known, is_new] = place.try_emplace(node.fused, kernels.size());
    if (node.fused < 0 || is_new)
      kernels.emplace_back(node.op->name);
    else
      kernels[known->second] += "+" + std::string(node.op->name);
  }
  return kernels;
}

std::size_t count(const GraphData& g) {
  std::size_t operators = 0;
  for (const Node& n : g.nodes) operators += !is_leaf(n) && n.regions.empty();
  return operators;
}

Tensor logits(const Model& model, const Graph& g) {
  SimSession sim(model, g, {.threads = 1});
  sim_test::Batch prompt, step;
  for (int i = 0; i < 5; ++i) prompt.add(3 + 7 * i, i, 0);
  prompt.want();
  prompt.run(sim);
  step.add(11, 5, 0);
  step.want();
  return step.run(sim);
}

/// The graph with all weights in one format, as a package that was quantised as a whole has them.
Graph uniform(const Graph& g) {
  std::string text = to_text(g);
  for (auto at = text.find("q8_0"); at != text.npos; at = text.find("q8_0")) text.replace(at, 4, "f32");
  return parse_graph(text);
}

}  // namespace

TEST_CASE("a_llama_layer_is_seven_kernels") {
  sim_test::TestPackage package("passes_llama_uniform");
  sim_test::fill_small_llama(package);
  const Graph g = run_passes(uniform(models::llama(package.open())), compilation_passes()).graph;
  CHECK(kernels(g.data(), kTopRegion) == std::vector<std::string>{"gather", "gather", "rms_norm+matmul"});
  CHECK(kernels(g.data(), 1) == std::vector<std::string>{"rms_norm+matmul+matmul+matmul", "rope", "rope+kv_write",
                                                         "kv_read+sdpa", "matmul+add",
                                                         "rms_norm+matmul+silu+matmul+mul", "matmul+add"});
  const Uses uses(g.data());
  std::map<FusedGroup::Kind, int> kinds;
  for (int group = 0; group < 7; ++group) ++kinds[classify(g.data(), uses, group).kind];
  using Kind = FusedGroup::Kind;
  CHECK(kinds == std::map<Kind, int>{{Kind::product, 5}, {Kind::rope_write, 1}, {Kind::attention, 1}});
}

TEST_CASE("a_llama_of_two_formats_gives_the_same_logits_in_more_kernels") {
  sim_test::TestPackage package("passes_llama");
  sim_test::fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  const Graph compiled = run_passes(g, compilation_passes()).graph;
  CHECK(count(g.data()) == 23);
  CHECK(count(compiled.data()) == 22);  // the cast of an f32 embedding is none
  CHECK(kernels(compiled.data(), kTopRegion) == std::vector<std::string>{"gather", "gather", "rms_norm+matmul"});
  // Wq is q8_0 and Wk, Wv are f32 in this package: two kernels read h, which is one of its own then.
  CHECK(kernels(compiled.data(), 1) == std::vector<std::string>{"rms_norm", "matmul", "rope", "matmul+matmul",
                                                                "rope+kv_write", "kv_read+sdpa", "matmul+add",
                                                                "rms_norm+matmul+silu+matmul+mul", "matmul+add"});
  CHECK(logits(model, compiled) == logits(model, g));
  CHECK(to_text(parse_graph(to_text(compiled))) == to_text(compiled));
}
