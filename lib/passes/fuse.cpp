// SPDX-License-Identifier: Apache-2.0
// Marks which nodes one kernel computes (Node::fused). What a group may be, fused_group.h alone
// decides; the rules here only propose, each one kind of join, in this order:
//
//   group = [norm] product {product} {elementwise}       siblings, norm_prologue, epilogue
//         | reduction {elementwise}                       epilogue
//         | rope kv_write                                 rope_kv_write
//         | kv_read sdpa                                  attention
//         | elementwise {elementwise}                     elementwise
//
// A proposal holds if the nodes are such a group (describe_group) and nothing else would have to run between them
// (FuseUnits). Nodes that stay alone get no number. rope of q stays a kernel of its own: attention reads q many times.
#include <algorithm>
#include <map>

#include "lib/base/fail.h"
#include "lib/base/nearest.h"
#include "lib/ops/builtin.h"
#include "lib/passes/fuse_units.h"
#include "lib/passes/fused_group.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

class Fusion {
 public:
  explicit Fusion(const GraphData& g) : g_(g), uses_(g), units_(g, uses_), elementwise_(elementwise_test(g)) {}

  const GraphData& g() const { return g_; }
  const Uses& uses() const { return uses_; }
  const Node& node(NodeId n) const { return g_.nodes[n]; }
  bool is_elementwise(NodeId n) const { return elementwise_(n); }
  bool is_alone(NodeId n) const { return units_.nodes(units_.unit(n)).size() == 1; }
  const std::vector<NodeId>& group_of(NodeId n) const { return units_.nodes(units_.unit(n)); }

  /// Joins the groups of both nodes if a kernel computes them together.
  bool join(NodeId a, NodeId b) {
    if (units_.unit(a) == units_.unit(b)) return true;
    if (uses_.region(a) != uses_.region(b)) return false;
    std::vector<NodeId> nodes = group_of(a);
    nodes.insert(nodes.end(), group_of(b).begin(), group_of(b).end());
    return describe_group(g_, uses_, std::move(nodes), elementwise_) && units_.join({units_.unit(a), units_.unit(b)});
  }

  /// Operators of the node's own region that make its operands, the last one first.
  std::vector<NodeId> producers(NodeId n) const {
    std::vector<NodeId> found;
    for (ValueId v : node(n).operands) {
      if (v == kNoValue || g_.values[v].node == kNoNode || g_.values[v].state >= 0) continue;
      const NodeId p = g_.values[v].node;
      if (is_operator(p) && uses_.region(p) == uses_.region(n)) found.push_back(p);
    }
    std::sort(found.begin(), found.end(), [&](NodeId a, NodeId b) { return uses_.place(a) > uses_.place(b); });
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

  /// f(node) for the operators of every region, in order.
  template <class F>
  void each_operator(F f) const {
    for (const Region& region : g_.regions)
      for (NodeId n : region.nodes)
        if (is_operator(n)) f(n);
  }

 private:
  bool is_operator(NodeId n) const { return !is_leaf(node(n)) && node(n).regions.empty(); }

  const GraphData& g_;
  Uses uses_;
  FuseUnits units_;
  NodeTest elementwise_;
};

/// q, k, v; gate, up: products over one x become one dispatch.
void siblings(Fusion& f) {
  std::map<ValueId, std::vector<NodeId>> over;  // x -> one product of each group
  f.each_operator([&](NodeId n) {
    if (!is_product(f.node(n))) return;
    auto& groups = over[f.node(n).operands[0]];
    if (std::none_of(groups.begin(), groups.end(), [&](NodeId other) { return f.join(other, n); })) groups.push_back(n);
  });
}

/// A norm that only one group of products reads is computed by it.
void norm_prologue(Fusion& f) {
  f.each_operator([&](NodeId n) {
    if (!is_norm(f.node(n))) return;
    const auto& users = f.uses().of(f.node(n).results[0]);
    if (!users.empty() && is_product(f.node(users[0]))) f.join(n, users[0]);
  });
}

/// Elementwise nodes behind products and reductions: bias, residual, silu·mul, cast.
void epilogue(Fusion& f) {
  f.each_operator([&](NodeId n) {
    if (!f.is_elementwise(n) || !f.is_alone(n)) return;
    for (NodeId p : f.producers(n)) {
      const auto& group = f.group_of(p);
      const auto has_epilogue = [&](NodeId m) { return is_product(f.node(m)) || is_reduction(f.node(m)); };
      if (std::any_of(group.begin(), group.end(), has_epilogue) && f.join(p, n)) return;
    }
  });
}

/// k is rotated on its way into the cache.
void rope_kv_write(Fusion& f) {
  f.each_operator([&](NodeId n) {
    if (f.node(n).op != &kv_write_op()) return;
    for (NodeId p : f.producers(n))
      if (f.node(p).op == &rope_op() && f.join(p, n)) return;
  });
}

/// Attention looks at the cache where it lies.
void attention(Fusion& f) {
  f.each_operator([&](NodeId n) {
    if (f.node(n).op != &sdpa_op()) return;
    for (NodeId p : f.producers(n))
      if (f.node(p).op == &kv_read_op() && f.join(p, n)) return;
  });
}

/// Chains and trees of one shape; what is used elsewhere too becomes one more result of the kernel.
void elementwise(Fusion& f) {
  f.each_operator([&](NodeId n) {
    if (!f.is_elementwise(n)) return;
    for (NodeId p : f.producers(n))
      if (f.is_elementwise(p)) f.join(p, n);
  });
}

struct FusionRule {
  std::string_view name;
  void (*run)(Fusion&);
};
constexpr FusionRule kRules[] = {
    {"siblings", siblings},           {"norm_prologue", norm_prologue}, {"epilogue", epilogue},
    {"rope_kv_write", rope_kv_write}, {"attention", attention},         {"elementwise", elementwise},
};

void check_names(std::span<const std::string> off) {
  auto names = fusion_rules();
  names.push_back("all");
  for (const std::string& name : off)
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail(ErrorCode::not_found, "[fuse] no rule is called '{}'{}", name, did_you_mean(name, names));
}

/// Numbers in the order of the text.
void number(const Fusion& f, RegionId region, std::vector<int>& marks, int& next) {
  for (NodeId n : f.g().regions[region].nodes) {
    for (RegionId inner : f.node(n).regions) number(f, inner, marks, next);
    if (marks[n] >= 0 || f.is_alone(n)) continue;
    for (NodeId m : f.group_of(n)) marks[m] = next;
    ++next;
  }
}

}  // namespace

std::vector<std::string_view> fusion_rules() {
  std::vector<std::string_view> names;
  for (const FusionRule& rule : kRules) names.push_back(rule.name);
  return names;
}

GraphPtr fuse(const GraphPtr& g, std::span<const std::string> off) {
  check_names(off);
  const auto is_off = [&](std::string_view name) { return std::find(off.begin(), off.end(), name) != off.end(); };
  Fusion fusion(*g);
  for (const FusionRule& rule : kRules)
    if (!is_off("all") && !is_off(rule.name)) rule.run(fusion);
  std::vector<int> marks(g->nodes.size(), -1);
  int next = 0;
  number(fusion, kTopRegion, marks, next);
  bool changed = false;
  for (NodeId n = 0; n < marks.size(); ++n) changed = changed || g->nodes[n].fused != marks[n];
  if (!changed) return g;
  // Marks alone change: values, nodes and regions of the copy are those of the original.
  auto marked = std::make_shared<GraphData>(*g);
  for (NodeId n = 0; n < marks.size(); ++n) marked->nodes[n].fused = marks[n];
  return marked;
}

}  // namespace openinfer
