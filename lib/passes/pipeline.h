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

struct GraphPass {
  std::string_view name;
  GraphPtr (*run)(const GraphPtr& g);  // returns `g` itself where nothing changes
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
  std::vector<std::string> dump;  // names of passes, or "all"
  std::function<void(const PassDump&)> on_dump;
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

// The passes.
GraphPtr verify_pass(const GraphPtr& g);
/// Leaves out what no output and no state depends on: nodes, leaves, carried values of loops, results of branches.
GraphPtr dead_nodes(const GraphPtr& g);

}  // namespace openinfer
