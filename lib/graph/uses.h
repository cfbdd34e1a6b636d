// SPDX-License-Identifier: Apache-2.0
// Who uses what, within each region of a verified graph: what a loop or branch captures counts as its own use.
#pragma once

#include <map>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

class Uses {
 public:
  explicit Uses(const GraphData& g);

  /// The region that the node stands in, and its place there.
  RegionId region(NodeId n) const { return region_[n]; }
  std::size_t place(NodeId n) const { return place_[n]; }
  /// Nodes of the value's own region that use it, in order, each once; loops and branches for what is inside them.
  const std::vector<NodeId>& of(ValueId v) const { return users_[v]; }
  /// Is it a result of its region, an output or what a loop or branch hands on?
  bool leaves(ValueId v) const { return leaves_[v]; }
  /// Nodes of the same region that must run after this one: the users of its results; and for a read of a state, or
  /// the user of what shows its memory, the next write.
  const std::vector<NodeId>& followers(NodeId n) const { return followers_[n]; }
  /// The nodes that are marked with that group, of whatever region; none for one that no node has.
  const std::vector<NodeId>& marked(int group) const;

 private:
  void note_use(ValueId v, NodeId n);
  void note_followers(const GraphData& g);
  void writes_follow_reads(const GraphData& g, NodeId writer, ValueId token);
  void writes_follow_views(const GraphData& g, NodeId writer, ValueId token);

  std::vector<RegionId> region_;
  std::vector<std::size_t> place_;
  std::vector<std::vector<NodeId>> users_;
  std::vector<char> leaves_;
  std::vector<std::vector<NodeId>> followers_;
  std::map<int, std::vector<NodeId>> groups_;
};

}  // namespace openinfer
