// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/demand.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

/// A worklist over values. Operands, body arguments, body results and results of a loop correspond by place, the
/// index argument aside; so do a branch's results and the cond's, and its arguments and the operands after the
/// predicate. Tokens are values like any other here: that is how writes are found. But a token alone makes no loop or
/// branch run that only passes it through: whatever writes inside does that.
class Search {
 public:
  explicit Search(const GraphData& g) : g_(g) {
    found_.values.resize(g.values.size());
    found_.nodes.resize(g.nodes.size());
    place_.resize(g.values.size());
    for (const Region& r : g.regions) note_places(r.arguments);
    for (const Node& n : g.nodes) note_places(n.results);
  }

  Demand run(std::span<const ValueId> roots) {
    for (ValueId v : roots) want(v);
    while (!pending_.empty()) {
      const ValueId v = pending_.back();
      pending_.pop_back();
      const NodeId producer = g_.values[v].node;
      if (producer == kNoNode)
        follow_argument(v);
      else
        follow_result(v, producer);
    }
    return std::move(found_);
  }

 private:
  void note_places(const std::vector<ValueId>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) place_[values[i]] = i;
  }

  void want(ValueId v) {
    if (v == kNoValue || found_.values[v]) return;
    found_.values[v] = true;
    pending_.push_back(v);
  }

  /// The node runs, and so do the loops and branches that it stands in.
  void enter(NodeId n) {
    for (; n != kNoNode && !found_.nodes[n]; n = owner(n)) {
      found_.nodes[n] = true;
      const Node& node = g_.nodes[n];
      // What runs makes all of its results, also those that nobody asks for.
      if (node.regions.empty())
        for (ValueId v : node.results)
          if (g_.values[v].state < 0) want(v);
      if (node.op == &cond_op())
        want(node.operands[0]);
      else if (node.op != &loop_op())
        std::for_each(node.operands.begin(), node.operands.end(), [&](ValueId v) { want(v); });
    }
  }

  NodeId owner(NodeId n) {
    const Node& node = g_.nodes[n];
    if (!node.regions.empty()) return g_.regions[g_.regions[node.regions[0]].parent].owner;
    OPENINFER_ASSERT(!node.results.empty());
    return g_.regions[g_.values[node.results[0]].region].owner;
  }

  void follow_result(ValueId v, NodeId producer) {
    const Node& node = g_.nodes[producer];
    if (node.regions.empty() || g_.values[v].state < 0) enter(producer);
    if (node.regions.empty()) return;
    const std::size_t i = place_[v];
    for (RegionId r : node.regions) want(g_.regions[r].results.at(i));
    if (node.op == &loop_op()) want(node.operands.at(i));
  }

  void follow_argument(ValueId v) {
    const Region& region = g_.regions[g_.values[v].region];
    if (region.owner == kNoNode) return;
    if (g_.values[v].state < 0) enter(region.owner);
    const Node& node = g_.nodes[region.owner];
    const std::size_t i = place_[v];
    if (node.op == &cond_op()) return want(node.operands.at(i + 1));
    if (i == 0) return;  // the index
    want(node.operands.at(i - 1));
    want(region.results.at(i - 1));
  }

  const GraphData& g_;
  Demand found_;
  std::vector<std::size_t> place_;  // of a region's argument or a node's result in its list
  std::vector<ValueId> pending_;
};

}  // namespace

Demand find_demand(const GraphData& g, std::span<const ValueId> roots) { return Search(g).run(roots); }

}  // namespace openinfer
