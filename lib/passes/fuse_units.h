// SPDX-License-Identifier: Apache-2.0
// The kernels of a graph while fusion joins them: at first each node is one. An order in which they can run is kept, so
// that joining looks only at what stands between the joined.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "lib/graph/uses.h"

namespace openinfer {

class FuseUnits {
 public:
  FuseUnits(const GraphData& g, const Uses& uses);

  /// A unit is called by one of its nodes.
  NodeId unit(NodeId n) const { return unit_[n]; }
  const std::vector<NodeId>& nodes(NodeId unit) const { return nodes_[unit]; }
  /// Makes one unit of these, all of one region. False, and nothing changes, if something else would have to run
  /// between them.
  bool join(std::vector<NodeId> units);

 private:
  std::optional<std::set<NodeId>> behind(const std::vector<NodeId>& units, std::size_t last) const;
  NodeId take_nodes(const std::vector<NodeId>& units);

  const Uses& uses_;
  std::vector<NodeId> unit_;
  std::vector<std::vector<NodeId>> nodes_;
  std::vector<std::vector<NodeId>> order_;  // by region; kNoNode: a place that joining left empty
  std::vector<std::size_t> place_;          // of a unit in its region's order
};

}  // namespace openinfer
