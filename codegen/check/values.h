// SPDX-License-Identifier: Apache-2.0
// What the simulator has at a moment of a step, by the graph's numbers: results and inputs as it last made them, leaves
// as the package or the graph has them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/graph/ir.h"
#include "openinfer/sim.h"

namespace openinfer::check {

/// The graph with names of their own for what loops carry, inside and behind: in a branch of a condition the value
/// before may have the same name and be used again behind the condition. Numbers stay.
Graph with_own_names(const Graph& graph);

class Values {
 public:
  /// `g` has own names.
  explicit Values(const GraphData& g) : g_(g) {}

  /// Watches every value of the graph.
  void follow(SimSession& session);

  const GraphData& graph() const { return g_; }
  /// A tensor in logical order; of a weight in blocks: f32.
  Tensor tensor(ValueId v) const;
  /// The element of a scalar: a loop's index, a literal.
  std::int64_t integer(ValueId v) const;
  bool is_weight(ValueId v) const;
  /// The package's key of a weight, with the indices of this turn.
  std::string key(ValueId weight) const;

 private:
  Tensor leaf(const Node& node) const;
  std::int64_t subscript(const Node& leaf, std::size_t i) const;

  const GraphData& g_;
  std::map<std::string, Tensor, std::less<>> made_;
};

}  // namespace openinfer::check
