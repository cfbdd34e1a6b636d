// SPDX-License-Identifier: Apache-2.0
// What sessions of one graph and package share: the graph, its weights found in the package, its numbers as tensors.
// Immutable; made once, shared by forks.
#pragma once

#include <optional>
#include <vector>

#include "lib/graph/ir.h"
#include "lib/sim/weights.h"

namespace openinfer {

struct Program {
  /// Errors: Weights', and dtype_mismatch for a literal that its dtype cannot hold.
  Program(Graph graph, std::optional<Model> model);

  const GraphData& g() const { return graph.data(); }

  Graph graph;
  std::optional<Model> model;
  Weights weights;
  std::vector<Tensor> literals;  // by node; scalars, empty for other nodes
};

}  // namespace openinfer
