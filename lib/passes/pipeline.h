// SPDX-License-Identifier: Apache-2.0
// Graph passes: what happens to a graph between its author and the simulator or the compiler, in order.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/graph.h"

namespace openinfer {

using GraphPtr = std::shared_ptr<const GraphData>;

struct PassOptions;
struct GraphPass {
  std::string_view name;
  GraphPtr (*run)(const GraphPtr& g, const PassOptions& options);  // returns `g` itself where nothing changes
};

std::span<const GraphPass> simulator_passes();
std::span<const GraphPass> compilation_passes();

/// Text before and after one pass, for passes whose name is in PassOptions::dump.
struct PassDump {
  std::string_view pass;
  const std::string& before;
  const std::string& after;
};
struct PassOptions {
  std::vector<std::string> dump = {};  // names of passes, or "all"
  std::function<void(const PassDump&)> on_dump = {};
  std::vector<std::string> no_fuse = {};  // rules of `fuse` (fusion_rules()) that are off, or "all"
};
struct PassRun {
  std::string_view pass;
  double time_us = 0;
  std::size_t nodes_before = 0;
  std::size_t nodes_after = 0;
};
struct PassResult {
  Graph graph;
  std::vector<PassRun> runs;
};

/// Runs the passes in order and verifies the graph after each. Errors: what a pass refuses; not_found for a dump of a
/// pass that is not among them; internal if a pass makes a graph that does not verify.
PassResult run_passes(const Graph& graph, std::span<const GraphPass> passes, const PassOptions& options = {});

// The passes, in the order of compilation.
GraphPtr verify_pass(const GraphPtr& g);
/// Operators with OpDef::decompose become others, until none is left. Errors: invalid_argument if that never ends;
/// internal if a decomposition has other types than its operator.
GraphPtr decompose(const GraphPtr& g);
/// What no input can change is computed: operators on constants and literals whose results have at most 64 KiB become
/// constants, identities their operand, branches with a known predicate that branch, loops without turns their inputs.
GraphPtr fold(const GraphPtr& g);
/// What was computed before, in the same region or around it, is not computed again; leaves too.
GraphPtr cse(const GraphPtr& g);
/// Leaves out what no output and no state depends on: nodes, leaves, constants, carried values of loops, results of
/// branches.
GraphPtr dead_nodes(const GraphPtr& g);
/// Sets Node::fused: which nodes one kernel computes. The groups that there may be are in fused_group.h.
/// Errors: not_found for a name in `off` that is no rule.
GraphPtr fuse(const GraphPtr& g, std::span<const std::string> off = {});
/// The names of its rules.
std::vector<std::string_view> fusion_rules();

}  // namespace openinfer
