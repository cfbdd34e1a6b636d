// SPDX-License-Identifier: Apache-2.0
// Removes what nothing needs, constants that nothing names among it. Needed are the outputs and the last version of
// every state; a writer's token leads there, so that writes stay, while a read that nobody looks at goes.
#include <algorithm>

#include "lib/graph/rewrite.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

/// Backwards from the graph's results, through regions as well: a carried value is needed as a whole (its start, its
/// value inside, what the body passes on, its result), a result of a branch in both branches.
class Liveness {
 public:
  explicit Liveness(const GraphData& g) : g_(g), values_(g.values.size()), nodes_(g.nodes.size()) {
    note_arguments();
    for (ValueId v : g_.top().results) need(v);
    while (!queue_.empty()) {
      const ValueId v = queue_.back();
      queue_.pop_back();
      visit(v);
    }
  }

  bool value(ValueId v) const { return values_[v]; }
  /// Loops and branches live if something in them, or a value that they give, does.
  bool node(NodeId n) const { return nodes_[n]; }

 private:
  void note_arguments() {
    place_.assign(g_.values.size(), 0);
    for (const Region& r : g_.regions)
      for (std::size_t i = 0; i < r.arguments.size(); ++i) place_[r.arguments[i]] = i;
  }

  void need(ValueId v) {
    if (v == kNoValue || values_[v]) return;
    values_[v] = true;
    queue_.push_back(v);
  }

  /// The node runs, and so do the loops and branches around it; a branch needs its predicate for that.
  void need_node(NodeId n) {
    for (; n != kNoNode && !nodes_[n]; n = g_.regions[region_of(n)].owner) {
      nodes_[n] = true;
      if (g_.nodes[n].op == &cond_op()) need(g_.nodes[n].operands[0]);
    }
  }
  RegionId region_of(NodeId n) const {
    const Node& node = g_.nodes[n];
    if (!node.regions.empty()) return g_.regions[node.regions[0]].parent;
    return g_.values[node.results[0]].region;
  }

  void visit(ValueId v) {
    const ValueInfo& info = g_.values[v];
    if (info.node == kNoNode) return argument(v, info.region);
    const Node& node = g_.nodes[info.node];
    const auto i =
        static_cast<std::size_t>(std::find(node.results.begin(), node.results.end(), v) - node.results.begin());
    if (node.regions.empty()) {
      need_node(info.node);
      for (ValueId operand : node.operands) need(operand);
      return;
    }
    // A token alone does not keep a loop that only passes it through: whatever writes inside does that.
    if (info.state < 0) need_node(info.node);
    node.op == &loop_op() ? carried(node, i) : result(node, i);
  }

  void argument(ValueId v, RegionId region) {
    const NodeId owner = g_.regions[region].owner;
    if (owner == kNoNode) return;
    const Node& node = g_.nodes[owner];
    if (node.op == &cond_op()) return need(node.operands[place_[v] + 1]);
    if (place_[v] > 0) carried(node, place_[v] - 1);
  }

  void carried(const Node& loop, std::size_t i) {
    const Region& body = g_.regions[loop.regions[0]];
    need(loop.operands[i]);
    need(body.arguments[i + 1]);
    need(body.results[i]);
  }

  void result(const Node& cond, std::size_t i) {
    for (RegionId branch : cond.regions) need(g_.regions[branch].results[i]);
  }

  const GraphData& g_;
  std::vector<char> values_, nodes_;
  std::vector<std::size_t> place_;  // of an argument in its region
  std::vector<ValueId> queue_;
};

class Sweep final : public Rewriter {
 public:
  explicit Sweep(const GraphData& g) : Rewriter(g), live_(g), named_(g.constants.size()) {
    for (NodeId n = 0; n < g.nodes.size(); ++n)
      if (g.nodes[n].op == &constant_op() && live_.node(n)) named_[static_cast<std::size_t>(g.nodes[n].decl)] = true;
  }

  bool is_clean() {
    if (std::find(named_.begin(), named_.end(), char{false}) != named_.end()) return false;
    for (NodeId n = 0; n < from().nodes.size(); ++n) {
      if (!keep(n)) return false;
      const Node& node = from().nodes[n];
      for (std::size_t i = 0; !node.regions.empty() && i < node.results.size(); ++i)
        if (from().values[node.results[i]].state < 0 && !keep_result(n, i)) return false;
    }
    return true;
  }

 private:
  bool keep(NodeId n) override { return live_.node(n); }
  bool keep_constant(std::size_t decl) override { return named_[decl]; }
  bool keep_result(NodeId n, std::size_t i) override {
    const Node& node = from().nodes[n];
    if (node.op == &cond_op()) return live_.value(node.results[i]);
    return live_.value(from().regions[node.regions[0]].arguments[i + 1]) || live_.value(node.results[i]);
  }

  Liveness live_;
  std::vector<char> named_;  // constants that a live leaf names
};

}  // namespace

GraphPtr dead_nodes(const GraphPtr& g) {
  Sweep sweep(*g);
  return sweep.is_clean() ? g : sweep.run();
}

}  // namespace openinfer
