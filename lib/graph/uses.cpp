// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/uses.h"

#include <algorithm>

namespace openinfer {

Uses::Uses(const GraphData& g)
    : region_(g.nodes.size()),
      place_(g.nodes.size()),
      users_(g.values.size()),
      leaves_(g.values.size()),
      followers_(g.nodes.size()) {
  for (RegionId r = 0; r < g.regions.size(); ++r) {
    const Region& region = g.regions[r];
    for (ValueId v : region.results)
      if (g.values[v].region == r) leaves_[v] = true;
    for (std::size_t i = 0; i < region.nodes.size(); ++i) {
      const NodeId n = region.nodes[i];
      region_[n] = r;
      place_[n] = i;
      const auto use = [&](ValueId v) {
        if (v != kNoValue && g.values[v].region == r) note_use(v, n);
      };
      for (ValueId v : g.nodes[n].operands) use(v);
      for (RegionId inner : g.nodes[n].regions)
        for (ValueId v : g.regions[inner].captures) use(v);
    }
  }
  for (NodeId n = 0; n < g.nodes.size(); ++n)
    if (g.nodes[n].fused >= 0) groups_[g.nodes[n].fused].push_back(n);
  note_followers(g);
}

const std::vector<NodeId>& Uses::marked(int group) const {
  static const std::vector<NodeId> kNone;
  const auto found = groups_.find(group);
  return found == groups_.end() ? kNone : found->second;
}

void Uses::note_use(ValueId v, NodeId n) {
  if (users_[v].empty() || users_[v].back() != n) users_[v].push_back(n);
}

void Uses::note_followers(const GraphData& g) {
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    for (ValueId v : g.nodes[n].results) followers_[n].insert(followers_[n].end(), users_[v].begin(), users_[v].end());
    const bool writes = std::any_of(g.nodes[n].results.begin(), g.nodes[n].results.end(),
                                    [&](ValueId v) { return g.values[v].state >= 0; });
    for (ValueId v : g.nodes[n].operands)
      if (writes && v != kNoValue && g.values[v].state >= 0) writes_follow_reads(g, n, v);
  }
  for (auto& f : followers_) {
    std::sort(f.begin(), f.end());
    f.erase(std::unique(f.begin(), f.end()), f.end());
  }
}

/// The writer changes the memory that readers of this version still need.
void Uses::writes_follow_reads(const GraphData& g, NodeId writer, ValueId token) {
  for (NodeId reader : users_[token])
    if (reader != writer) followers_[reader].push_back(writer);
  writes_follow_views(g, writer, token);
}

/// And so does whoever looks at views, of this region or of one around it, since the write before this one.
void Uses::writes_follow_views(const GraphData& g, NodeId writer, ValueId token) {
  const int state = g.values[token].state;
  const auto shows = [&](ValueId v) {
    if (v == kNoValue || g.values[v].state >= 0) return false;
    const ValueId view = shown_view(g, v);
    return view != kNoValue && g.values[g.nodes[g.values[view].node].operands.back()].state == state;
  };
  const auto any_shows = [&](const std::vector<ValueId>& values) {
    return std::any_of(values.begin(), values.end(), shows);
  };
  const std::vector<NodeId>& nodes = g.regions[region_[writer]].nodes;
  for (std::size_t i = place_[writer]; i-- > 0 && nodes[i] != g.values[token].node;) {
    const Node& node = g.nodes[nodes[i]];
    const bool looks =
        any_shows(node.operands) || std::any_of(node.regions.begin(), node.regions.end(),
                                                [&](RegionId r) { return any_shows(g.regions[r].captures); });
    if (looks) followers_[nodes[i]].push_back(writer);
  }
}

}  // namespace openinfer
