// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/loop_names.h"

#include <map>

namespace openinfer {
namespace {

/// Walks the graph as a reader does, keeping what each name means.
class Reader {
 public:
  explicit Reader(const GraphData& g) : g_(g) {}

  std::set<Carried> ambiguous() {
    std::vector<std::string_view> defined;
    for (ValueId v : g_.top().arguments) define(v, defined);
    region(kTopRegion);
    return std::move(ambiguous_);
  }

 private:
  bool is_named(ValueId v) const { return v != kNoValue && g_.values[v].state < 0 && !g_.values[v].name.empty(); }

  void define(ValueId v, std::vector<std::string_view>& defined) {
    if (!is_named(v)) return;
    meaning_[g_.values[v].name].push_back(v);
    defined.push_back(g_.values[v].name);
  }
  void forget(const std::vector<std::string_view>& defined) {
    for (std::string_view name : defined) meaning_[name].pop_back();
  }
  /// Whatever hides `v` where it is used has the wrong name.
  void use(ValueId v) {
    if (v != kNoValue && g_.values[v].node != kNoNode && is_leaf(g_.nodes[g_.values[v].node]))
      for (ValueId index : g_.nodes[g_.values[v].node].operands) use(index);  // @W.{l}, written where it is used
    if (!is_named(v)) return;
    const auto& stack = meaning_[g_.values[v].name];
    for (auto top = stack.rbegin(); top != stack.rend() && *top != v; ++top)
      if (const auto hides = carried_.find(*top); hides != carried_.end()) ambiguous_.insert(hides->second);
  }

  void region(RegionId id) {
    std::vector<std::string_view> defined;
    for (NodeId n : g_.regions[id].nodes) {
      const Node& node = g_.nodes[n];
      if (is_leaf(node)) continue;
      for (ValueId v : node.operands) use(v);
      if (node.op == &loop_op()) body(n);
      if (node.op == &cond_op())
        for (RegionId branch : node.regions) region(branch);
      for (std::size_t i = 0; i < node.results.size(); ++i) {
        if (node.op == &loop_op()) carried_[node.results[i]] = {n, i};
        if (!ambiguous_.contains({n, i})) define(node.results[i], defined);
      }
    }
    for (ValueId v : g_.regions[id].results) use(v);
    forget(defined);
  }

  void body(NodeId loop) {
    const Region& region = g_.regions[g_.nodes[loop].regions[0]];
    std::vector<std::string_view> defined;
    std::set<std::string_view> own;
    for (std::size_t i = 0; i < region.arguments.size(); ++i) {
      const ValueId argument = region.arguments[i];
      if (i > 0) carried_[argument] = {loop, i - 1};
      if (i > 0 && is_named(argument) && !own.insert(g_.values[argument].name).second)
        ambiguous_.insert({loop, i - 1});
      else
        define(argument, defined);
    }
    this->region(g_.nodes[loop].regions[0]);
    forget(defined);
  }

  const GraphData& g_;
  std::map<std::string_view, std::vector<ValueId>> meaning_;  // innermost last
  std::map<ValueId, Carried> carried_;                        // arguments and results of loops
  std::set<Carried> ambiguous_;
};

class Renamer {
 public:
  Renamer(GraphData& g, const std::set<Carried>& ambiguous, const std::function<std::string(std::string_view)>& unique)
      : g_(g), ambiguous_(ambiguous), unique_(unique) {
    for (NodeId n = 0; n < g_.nodes.size(); ++n)
      if (g_.nodes[n].op == &loop_op()) note_shared(n);
  }

  void region(RegionId id) {
    for (NodeId n : g_.regions[id].nodes) {
      const Node& node = g_.nodes[n];
      if (node.op == &loop_op()) rename(n);
      for (RegionId inner : node.regions) region(inner);
    }
  }

 private:
  std::string& argument_name(NodeId n, std::size_t i) {
    return g_.values[g_.regions[g_.nodes[n].regions[0]].arguments[i + 1]].name;
  }
  std::size_t carried_count(NodeId n) const { return g_.regions[g_.nodes[n].regions[0]].arguments.size() - 1; }

  void note_shared(NodeId n) {
    for (std::size_t i = 0; i < carried_count(n); ++i)
      if (argument_name(n, i) == g_.values[g_.nodes[n].operands[i]].name) shared_.insert({n, i});
  }
  void rename(NodeId n) {
    for (std::size_t i = 0; i < carried_count(n); ++i) {
      if (g_.values[g_.nodes[n].results[i]].state >= 0) continue;
      std::string& name = argument_name(n, i);
      if (ambiguous_.contains({n, i}))
        name = unique_(name);
      else if (shared_.contains({n, i}))
        name = g_.values[g_.nodes[n].operands[i]].name;
      g_.values[g_.nodes[n].results[i]].name = name;
    }
  }

  GraphData& g_;
  const std::set<Carried>& ambiguous_;
  const std::function<std::string(std::string_view)>& unique_;
  std::set<Carried> shared_;
};

}  // namespace

std::set<Carried> ambiguous_names(const GraphData& g) { return Reader(g).ambiguous(); }

void separate_loop_names(GraphData& g, const std::function<std::string(std::string_view)>& unique_name) {
  for (auto ambiguous = ambiguous_names(g); !ambiguous.empty(); ambiguous = ambiguous_names(g))
    Renamer(g, ambiguous, unique_name).region(kTopRegion);
}

}  // namespace openinfer
