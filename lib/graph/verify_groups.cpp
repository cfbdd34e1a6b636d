// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "lib/base/fail.h"
#include "lib/graph/invalid.h"
#include "lib/graph/uses.h"
#include "lib/graph/verifier.h"
#include "lib/graph/verify.h"

namespace openinfer {
namespace {

/// Each group is one unit of its region, every other node one of its own; units must have an order.
class Order {
 public:
  Order(const GraphData& g, const Uses& uses, const std::map<int, NodeId>& first) : g_(g), uses_(uses), first_(first) {}

  void check(RegionId region) {
    const auto& nodes = g_.regions[region].nodes;
    std::map<NodeId, int> waiting;  // by unit: edges from units that have not run
    std::map<NodeId, std::vector<NodeId>> members;
    for (NodeId n : nodes) {
      members[unit(n)].push_back(n);
      waiting.try_emplace(unit(n), 0);
      for (NodeId f : uses_.followers(n))
        if (unit(f) != unit(n)) ++waiting[unit(f)];
    }
    std::vector<NodeId> ready;
    for (const auto& [u, count] : waiting)
      if (count == 0) ready.push_back(u);
    while (!ready.empty()) {
      const NodeId u = ready.back();
      ready.pop_back();
      for (NodeId n : members[u])
        for (NodeId f : uses_.followers(n))
          if (unit(f) != u && --waiting[unit(f)] == 0) ready.push_back(unit(f));
    }
    for (NodeId n : nodes)
      if (g_.nodes[n].fused >= 0 && waiting[unit(n)] > 0)
        fail_at(g_.nodes[n].at, kInvalid,
                "[verify] group {} cannot run as one: something between its nodes needs one of them and is needed by "
                "another",
                g_.nodes[n].fused);
  }

 private:
  NodeId unit(NodeId n) const { return g_.nodes[n].fused < 0 ? n : first_.at(g_.nodes[n].fused); }

  const GraphData& g_;
  const Uses& uses_;
  const std::map<int, NodeId>& first_;  // the first node of each group stands for it
};

}  // namespace

void verify_groups(const GraphData& g) {
  std::map<int, NodeId> first;
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    const Node& node = g.nodes[n];
    if (node.fused < -1 || node.fused >= static_cast<int>(kMaxNodes))
      fail_at(node.at, kInvalid, "[verify] group {} is outside 0..{}", node.fused, kMaxNodes);
    if (node.fused < 0) continue;
    if (is_leaf(node) || !node.regions.empty())
      fail_at(node.at, kInvalid, "[verify] {} is no operator and belongs to no group", node.op->name);
    first.try_emplace(node.fused, n);
  }
  if (first.empty()) return;
  const Uses uses(g);
  for (NodeId n = 0; n < g.nodes.size(); ++n)
    if (const int group = g.nodes[n].fused; group >= 0 && uses.region(first.at(group)) != uses.region(n))
      fail_at(g.nodes[n].at, kInvalid, "[verify] group {} has nodes in two regions", group);
  Order order(g, uses, first);
  for (RegionId r = 0; r < g.regions.size(); ++r) order.check(r);
}

}  // namespace openinfer
