// SPDX-License-Identifier: Apache-2.0
#include "lib/passes/fuse_units.h"

#include <algorithm>

namespace openinfer {

FuseUnits::FuseUnits(const GraphData& g, const Uses& uses)
    : uses_(uses), unit_(g.nodes.size()), nodes_(g.nodes.size()), place_(g.nodes.size()) {
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    unit_[n] = n;
    nodes_[n] = {n};
    place_[n] = uses.place(n);
  }
  for (const Region& r : g.regions) order_.push_back(r.nodes);
}

/// Units in places up to `last` that need one of these; nothing if one of these needs such a unit in turn.
std::optional<std::set<NodeId>> FuseUnits::behind(const std::vector<NodeId>& units, std::size_t last) const {
  std::set<NodeId> found;
  std::vector<NodeId> queue = units;
  const auto joined = [&](NodeId u) { return std::binary_search(units.begin(), units.end(), u); };
  while (!queue.empty()) {
    const NodeId u = queue.back();
    queue.pop_back();
    for (NodeId n : nodes_[u])
      for (NodeId follower : uses_.followers(n)) {
        const NodeId next = unit_[follower];
        if (joined(next) && !joined(u)) return std::nullopt;
        if (!joined(next) && place_[next] <= last && found.insert(next).second) queue.push_back(next);
      }
  }
  return found;
}

bool FuseUnits::join(std::vector<NodeId> units) {
  std::sort(units.begin(), units.end());
  units.erase(std::unique(units.begin(), units.end()), units.end());
  if (units.size() < 2) return true;
  const auto by_place = [&](NodeId a, NodeId b) { return place_[a] < place_[b]; };
  const auto ends = std::minmax_element(units.begin(), units.end(), by_place);
  const std::size_t first = place_[*ends.first], last = place_[*ends.second];
  const auto needing = behind(units, last);
  if (!needing) return false;
  // What stands between runs before the joined unit, or, if it needs that, behind it.
  auto& order = order_[uses_.region(units[0])];
  std::vector<NodeId> now, after;
  for (std::size_t p = first; p <= last; ++p)
    if (order[p] != kNoNode && !std::binary_search(units.begin(), units.end(), order[p]))
      (needing->contains(order[p]) ? after : now).push_back(order[p]);
  now.push_back(take_nodes(units));
  now.insert(now.end(), after.begin(), after.end());
  now.resize(last - first + 1, kNoNode);
  for (std::size_t i = 0; i < now.size(); ++i) {
    order[first + i] = now[i];
    if (now[i] != kNoNode) place_[now[i]] = first + i;
  }
  return true;
}

/// Gives all nodes to the first of these units and returns it.
NodeId FuseUnits::take_nodes(const std::vector<NodeId>& units) {
  const NodeId whole = units[0];
  for (NodeId u : units) {
    if (u == whole) continue;
    for (NodeId n : nodes_[u]) unit_[n] = whole;
    nodes_[whole].insert(nodes_[whole].end(), nodes_[u].begin(), nodes_[u].end());
    nodes_[u].clear();
  }
  return whole;
}

}  // namespace openinfer
