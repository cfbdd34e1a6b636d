// SPDX-License-Identifier: Apache-2.0
// Removes what nothing needs, constants that nothing names among it. Needed are the outputs and the last version of
// every state; a writer's token leads there, so that writes stay, while a read that nobody looks at goes.
#include <algorithm>

#include "lib/graph/demand.h"
#include "lib/graph/rewrite.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

class Sweep final : public Rewriter {
 public:
  explicit Sweep(const GraphData& g) : Rewriter(g), live_(find_demand(g, g.top().results)), named_(g.constants.size()) {
    for (NodeId n = 0; n < g.nodes.size(); ++n)
      if (g.nodes[n].op == &constant_op() && live_.nodes[n]) named_[static_cast<std::size_t>(g.nodes[n].decl)] = true;
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
  bool keep(NodeId n) override { return live_.nodes[n]; }
  bool keep_constant(std::size_t decl) override { return named_[decl]; }
  bool keep_result(NodeId n, std::size_t i) override {
    const Node& node = from().nodes[n];
    if (node.op == &cond_op()) return live_.values[node.results[i]];
    return live_.values[from().regions[node.regions[0]].arguments[i + 1]] || live_.values[node.results[i]];
  }

  Demand live_;
  std::vector<char> named_;  // constants that a live leaf names
};

}  // namespace

GraphPtr dead_nodes(const GraphPtr& g) {
  Sweep sweep(*g);
  return sweep.is_clean() ? g : sweep.run();
}

}  // namespace openinfer
