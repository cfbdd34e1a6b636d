// SPDX-License-Identifier: Apache-2.0
#include "lib/passes/fused_group.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lib/base/fail.h"
#include "lib/graph/infer.h"
#include "lib/ops/builtin.h"

namespace openinfer {
namespace {

using Kind = FusedGroup::Kind;

bool contains(const std::vector<NodeId>& nodes, NodeId n) {
  return std::find(nodes.begin(), nodes.end(), n) != nodes.end();
}

bool is_leaf_value(const GraphData& g, ValueId v) {
  return v != kNoValue && g.values[v].node != kNoNode && is_leaf(g.nodes[g.values[v].node]);
}

/// Sorts the nodes into roles and holds them to the grammar: each rule says what it refuses.
class Description {
 public:
  Description(const GraphData& g, const Uses& uses, std::vector<NodeId> nodes, const NodeTest& elementwise)
      : g_(g), uses_(uses), is_elementwise_(elementwise) {
    group_.nodes = std::move(nodes);
    std::sort(group_.nodes.begin(), group_.nodes.end(),
              [&](NodeId a, NodeId b) { return uses_.place(a) < uses_.place(b); });
    group_.region = uses_.region(group_.nodes.front());
  }

  std::optional<FusedGroup> make(std::string* why) {
    collect_values();
    const std::string refused = refusal();
    if (refused.empty()) return group_;
    if (why) *why = refused;
    return std::nullopt;
  }

 private:
  const Node& node(NodeId n) const { return g_.nodes[n]; }
  bool inside(ValueId v) const { return v != kNoValue && contains(group_.nodes, g_.values[v].node); }
  const Shape& shape(NodeId n) const { return g_.values[node(n).results[0]].type.shape; }

  void collect_values() {
    for (NodeId n : group_.nodes) {
      for (ValueId v : node(n).operands) {
        if (v == kNoValue || inside(v)) continue;
        if (g_.values[v].state >= 0) {
          group_.state = g_.values[v].state;
          continue;
        }
        const bool literal = g_.values[v].node != kNoNode && g_.nodes[g_.values[v].node].op == &literal_op();
        const auto& inputs = group_.inputs;
        if (!literal && std::find(inputs.begin(), inputs.end(), v) == inputs.end()) group_.inputs.push_back(v);
      }
      for (ValueId v : node(n).results)
        if (g_.values[v].state < 0 && is_seen_outside(v)) group_.outputs.push_back(v);
    }
  }
  bool is_seen_outside(ValueId v) const {
    if (uses_.leaves(v)) return true;
    const auto& users = uses_.of(v);
    return std::any_of(users.begin(), users.end(), [&](NodeId u) { return !contains(group_.nodes, u); });
  }

  std::string refusal() {
    if (group_.nodes.size() > 1 && group_.inputs.size() + group_.outputs.size() > kMostBuffers)
      return fmt::format("it reads {} and writes {} tensors; a kernel binds at most {}", group_.inputs.size(),
                         group_.outputs.size(), kMostBuffers);
    if (group_.nodes.size() > kMostFusedNodes) return fmt::format("it has more than {} nodes", kMostFusedNodes);
    for (NodeId n : group_.nodes)
      if (group_.nodes.size() > 1 && node(n).hint.fuse == false)
        return fmt::format("{} has the hint fuse=false", node(n).op->name);
    for (NodeId n : group_.nodes) {
      if (node(n).op == &sdpa_op()) return attention(n);
      if (node(n).op == &kv_write_op()) return rope_write(n);
      if (is_product(node(n))) return products();
    }
    return without_products();
  }

  std::string attention(NodeId sdpa) {
    group_.kind = Kind::attention;
    group_.head = sdpa;
    if (group_.nodes.size() == 1) return "";
    const NodeId read = group_.nodes.front();
    if (group_.nodes.size() > 2 || node(read).op != &kv_read_op())
      return "attention takes the kv_read that it looks at and nothing else";
    group_.read = read;
    const std::vector<ValueId>&given = node(read).results, &taken = node(sdpa).operands;
    if (taken[1] != given[0] || taken[2] != given[1]) return "the cache that is read is not what attention looks at";
    return is_seen_outside(given[0]) || is_seen_outside(given[1]) ? "the cache that is read is used elsewhere" : "";
  }

  std::string rope_write(NodeId write) {
    group_.kind = group_.nodes.size() == 1 ? Kind::other : Kind::rope_write;
    group_.head = write;
    if (group_.nodes.size() == 1) return "";
    const NodeId rope = group_.nodes.front();
    if (group_.nodes.size() > 2 || node(rope).op != &rope_op()) return "kv_write takes the rope of its k, nothing else";
    group_.rope = rope;
    const ValueId k = node(rope).results[0];
    const auto& operands = node(write).operands;
    if (operands[0] != k || is_seen_outside(k) || std::count(operands.begin(), operands.end(), k) != 1)
      return "the rotated k has other uses than the k of kv_write";
    const auto head_dim = std::get<std::int64_t>(*node(rope).attributes.find("head_dim"));
    const StateSpec& cache = g_.states[static_cast<std::size_t>(group_.state)].spec;
    return cache.shape[4] == Dim(head_dim) ? "" : "rope and the cache have heads of different size";
  }

  std::string products() {
    group_.kind = Kind::product;
    for (NodeId n : group_.nodes) {
      if (is_product(node(n)))
        group_.products.push_back(n);
      else if (is_norm(node(n)) && group_.norm == kNoNode && group_.products.empty())
        group_.norm = n;
      else if (is_elementwise_(n))
        group_.tail.push_back(n);
      else
        return fmt::format("{} does not belong to products", node(n).op->name);
    }
    if (std::string refused = siblings(); !refused.empty()) return refused;
    if (std::string refused = prologue(); !refused.empty()) return refused;
    return tail(group_.products);
  }

  /// One decode_block, one schedule, one x: what products of one kernel share.
  std::string siblings() {
    if (group_.products.size() == 1) return "";
    group_.siblings = FusedGroup::Siblings::stacked;
    const Node& first = node(group_.products[0]);
    const ValueInfo& w = g_.values[first.operands[1]];
    for (NodeId n : group_.products) {
      const Node& p = node(n);
      const ValueInfo& other = g_.values[p.operands[1]];
      if (p.operands[0] != first.operands[0]) return "products of one kernel have one x";
      if (!is_leaf_value(g_, p.operands[1]) || other.type.shape.size() != 2)
        return "products of one kernel have matrices of the package, or constants";
      if (p.op != first.op || other.type.dtype != w.type.dtype || other.dtypes != w.dtypes ||
          p.attributes != first.attributes || p.hint.variant != first.hint.variant || p.hint.tile != first.hint.tile)
        return "products of one kernel have weights of one format and equal hints";
    }
    return "";
  }

  std::string prologue() const {
    if (group_.norm == kNoNode) return "";
    const ValueId x = node(group_.norm).results[0];
    if (is_seen_outside(x)) return "a norm in front of products has other uses than these";
    for (NodeId n : group_.nodes) {
      const auto& operands = node(n).operands;
      const auto uses = std::count(operands.begin(), operands.end(), x);
      const bool as_x = is_product(node(n)) && operands[0] == x && uses == 1;
      if (uses > 0 && !as_x) return "a norm in front of products is used as their x only";
    }
    for (NodeId p : group_.products)
      if (node(p).operands[0] != x || g_.values[node(p).operands[1]].type.shape.size() != 2)
        return "a norm stands in front of products with matrices, as their x";
    return "";
  }

  /// Elementwise nodes behind `heads`: of the shape of what they read. One that sees several needs all of them zipped.
  std::string tail(const std::vector<NodeId>& heads) {
    std::map<NodeId, std::vector<NodeId>> seen;  // heads that a node depends on
    for (NodeId h : heads) seen[h] = {h};
    for (NodeId n : group_.tail) {
      auto& own = seen[n];
      for (ValueId v : node(n).operands)
        if (inside(v))
          for (NodeId h : seen[g_.values[v].node])
            if (!contains(own, h)) own.push_back(h);
      if (own.empty()) return fmt::format("{} reads nothing of the group", node(n).op->name);
      for (NodeId h : own)
        if (shape(n) != shape(h)) return fmt::format("{} has another shape than what it follows", node(n).op->name);
      if (own.size() > 1) group_.siblings = FusedGroup::Siblings::zipped;
    }
    if (group_.siblings != FusedGroup::Siblings::zipped) return "";
    for (NodeId h : heads)
      if (shape(h) != shape(heads[0])) return "products of different widths whose columns meet";
    return "";
  }

  std::string without_products() {
    for (NodeId n : group_.nodes) {
      if (is_elementwise_(n))
        group_.tail.push_back(n);
      else if (group_.head == kNoNode)
        group_.head = n;
      else
        return fmt::format("{} and {} are no kernel", node(group_.head).op->name, node(n).op->name);
    }
    if (group_.head == kNoNode) return elementwise();
    group_.kind = is_reduction(node(group_.head)) ? Kind::reduction : Kind::other;
    if (group_.kind == Kind::other)
      return group_.tail.empty() ? "" : fmt::format("{} takes no epilogue", node(group_.head).op->name);
    return tail({group_.head});
  }

  /// One shape, and connected: every node hangs together with the first.
  std::string elementwise() {
    group_.kind = Kind::elementwise;
    std::vector<NodeId> reached = {group_.tail[0]}, others(group_.tail.begin() + 1, group_.tail.end());
    for (std::size_t i = 0; i < reached.size(); ++i)
      std::erase_if(others, [&](NodeId n) {
        const bool next = reads(n, reached[i]) || reads(reached[i], n);
        if (next) reached.push_back(n);
        return next;
      });
    if (reached.size() != group_.tail.size()) return "elementwise nodes that do not hang together";
    for (NodeId n : group_.tail)
      if (shape(n) != shape(group_.tail[0])) return "elementwise nodes of different shapes";
    return "";
  }
  bool reads(NodeId user, NodeId producer) const {
    const auto& operands = node(user).operands;
    return std::find(operands.begin(), operands.end(), node(producer).results[0]) != operands.end();
  }

  const GraphData& g_;
  const Uses& uses_;
  const NodeTest& is_elementwise_;
  FusedGroup group_;
};

}  // namespace

bool is_elementwise(const GraphData& g, const Node& node) {
  if (!node.op->traits.elementwise || node.op->traits.state != StateUse::none || node.results.size() != 1) return false;
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    const bool stored = node.op->operands[std::min(i, node.op->operands.size() - 1)].stored;
    const ValueId v = node.operands[i];
    if (v == kNoValue || !stored || g.values[v].node == kNoNode) continue;
    const bool transposable = g.values[v].type.shape.size() >= 2;
    if (g.nodes[g.values[v].node].op == &weight_op() && (transposable || !is_plain(g.values[v]))) return false;
  }
  const auto lowering = lower(g, node);
  return lowering && std::holds_alternative<ScalarFn>(*lowering);
}

bool is_product(const Node& node) { return node.op == &matmul_op() || node.op == &linear_op(); }
bool is_norm(const Node& node) { return node.op == &rms_norm_op() || node.op == &layer_norm_op(); }
bool is_reduction(const Node& node) {
  return (node.op->traits.reduction && node.results.size() == 1) || is_norm(node) || node.op == &softmax_op() ||
         node.op == &gather_op() || node.op == &expert_matmul_op();
}

std::string_view name(FusedGroup::Kind kind) {
  switch (kind) {
    case Kind::elementwise: return "elementwise";
    case Kind::product: return "product";
    case Kind::reduction: return "reduction";
    case Kind::rope_write: return "rope_write";
    case Kind::attention: return "attention";
    case Kind::other: return "other";
  }
  fail(ErrorCode::internal, "[fuse] a kind of group without a name");
}

std::optional<FusedGroup> describe_group(const GraphData& g, const Uses& uses, std::vector<NodeId> nodes,
                                         const NodeTest& elementwise, std::string* why) {
  return Description(g, uses, std::move(nodes), elementwise).make(why);
}

NodeTest elementwise_test(const GraphData& g) {
  return [&g, known = std::vector<signed char>(g.nodes.size(), -1)](NodeId n) mutable {
    if (known[n] < 0) known[n] = is_elementwise(g, g.nodes[n]);
    return known[n] == 1;
  };
}

namespace {

NodeTest once(const GraphData& g) {
  return [&g](NodeId n) { return is_elementwise(g, g.nodes[n]); };
}

}  // namespace

FusedGroup classify(const GraphData& g, const Uses& uses, int group) {
  const std::vector<NodeId>& nodes = uses.marked(group);
  if (nodes.empty()) fail(ErrorCode::not_found, "[fuse] no node belongs to a group {}", group);
  const Location at = g.nodes[nodes[0]].at;
  std::string why;
  auto result = describe_group(g, uses, nodes, once(g), &why);
  if (!result) fail_at(at, ErrorCode::invalid_argument, "[fuse] no kernel computes group {}: {}", group, why);
  return *std::move(result);
}

FusedGroup classify(const GraphData& g, int group) { return classify(g, Uses(g), group); }

FusedGroup classify_node(const GraphData& g, const Uses& uses, NodeId node) {
  const Node& n = g.nodes.at(node);
  if (is_leaf(n) || !n.regions.empty())
    fail_at(n.at, ErrorCode::invalid_argument, "[fuse] {} is no operator and has no kernel", n.op->name);
  auto result = describe_group(g, uses, {node}, once(g));
  OPENINFER_ASSERT(result);  // every single node is a group
  return *std::move(result);
}

}  // namespace openinfer
