// SPDX-License-Identifier: Apache-2.0
// Common subexpressions: a node that computes what an earlier one of its region, or of one around it, has computed is
// replaced by that. Leaves too: afterwards each weight, constant and number of a region is one value.
//
// Reads of a state are equal if they see the same version: the token is an operand like others. Writes are never equal.
// Names of what goes are lost: the first stays.
#include <algorithm>
#include <bit>
#include <map>

#include <fmt/format.h>

#include "lib/graph/rewrite.h"
#include "lib/ops/builtin.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

/// May the operands be exchanged without a change of bits? max and min tell 0 from −0 by their places. (Which of two
/// NaNs a sum keeps is the compiler's choice already.)
bool is_commutative(const GraphData& g, const Node& node) {
  if (!node.op->traits.commutative || node.operands.size() != 2) return false;
  if (!is_float(g.values[node.operands[0]].type.dtype)) return true;
  const OpDef* exact[] = {&add_op(), &mul_op(), &eq_op(), &ne_op()};
  return std::find(std::begin(exact), std::end(exact), node.op) != std::end(exact);
}

std::string text(const Attribute& value) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return fmt::format("{:x}", std::bit_cast<std::uint64_t>(v)); }
    std::string operator()(const std::string& v) const { return fmt::format("{}:{}", v.size(), v); }
    std::string operator()(DType v) const { return std::string(name(v)); }
    std::string operator()(const Dim& v) const { return v.to_string(); }
    std::string operator()(const Shape& v) const { return to_string(v); }
  };
  return std::visit(Visitor{}, value);
}

class Numbering {
 public:
  explicit Numbering(const GraphData& g) : g_(g), same_(g.values.size()), first_(g.nodes.size()) {
    for (ValueId v = 0; v < same_.size(); ++v) same_[v] = v;
    for (NodeId n = 0; n < first_.size(); ++n) first_[n] = n;
    region(kTopRegion);
  }

  bool found_something() const { return found_; }
  /// The node that computes this one's results first; the node itself if it is that.
  NodeId first(NodeId n) const { return first_[n]; }

 private:
  void region(RegionId id) {
    std::vector<std::string> added;
    for (NodeId n : g_.regions[id].nodes) {
      for (RegionId inner : g_.nodes[n].regions) region(inner);
      if (!g_.nodes[n].regions.empty() || g_.nodes[n].op->traits.state == StateUse::write) continue;
      std::string key = key_of(g_.nodes[n]);
      const auto [known, is_new] = seen_.try_emplace(key, n);
      if (is_new)
        added.push_back(std::move(key));
      else
        merge(n, known->second);
    }
    for (const std::string& key : added) seen_.erase(key);
  }

  void merge(NodeId n, NodeId with) {
    first_[n] = with;
    found_ = true;
    for (std::size_t i = 0; i < g_.nodes[n].results.size(); ++i)
      same_[g_.nodes[n].results[i]] = g_.nodes[with].results[i];
  }

  /// Equal for nodes that compute the same, in the same way.
  std::string key_of(const Node& node) const {
    std::vector<std::int64_t> operands;
    for (ValueId v : node.operands) operands.push_back(v == kNoValue ? -1 : std::int64_t{same_[v]});
    if (is_commutative(g_, node)) std::sort(operands.begin(), operands.end());
    std::string key = fmt::format("{}({})", fmt::ptr(node.op), fmt::join(operands, ","));
    if (is_leaf(node)) return key + leaf_key(node);
    for (const AttributeSpec& spec : node.op->attributes) {
      const Attribute* given = node.attributes.find(spec.name);
      if (given || spec.fallback) key += fmt::format(" {}={}", spec.name, text(given ? *given : *spec.fallback));
    }
    const hints& h = node.hint;
    const int fuse = h.fuse ? *h.fuse : -1;
    return key + fmt::format(" %{} {} [{}] {}", fuse, h.variant, fmt::join(h.tile, ","), node.fused);
  }

  std::string leaf_key(const Node& leaf) const {
    std::string key = fmt::format(" {} {}", leaf.decl, name(g_.values[leaf.results[0]].type.dtype));
    for (const Affine& a : leaf.index) key += fmt::format(" {}+{}", a.scale, a.offset);
    if (const auto* integer = std::get_if<std::int64_t>(&leaf.literal)) return key + fmt::format(" i{}", *integer);
    if (const auto* large = std::get_if<std::uint64_t>(&leaf.literal)) return key + fmt::format(" u{}", *large);
    return key + fmt::format(" f{:x}", std::bit_cast<std::uint64_t>(std::get<double>(leaf.literal)));
  }

  const GraphData& g_;
  std::vector<ValueId> same_;
  std::vector<NodeId> first_;
  std::map<std::string, NodeId> seen_;  // of this region and those around it
  bool found_ = false;
};

class Merge final : public Rewriter {
 public:
  Merge(const GraphData& g, const Numbering& numbering) : Rewriter(g), numbering_(numbering) {}

 private:
  std::optional<std::vector<ValueId>> replace(NodeId n) override {
    if (numbering_.first(n) == n) return std::nullopt;
    return mapped(from().nodes[numbering_.first(n)].results);
  }

  const Numbering& numbering_;
};

}  // namespace

GraphPtr cse(const GraphPtr& g) {
  const Numbering numbering(*g);
  return numbering.found_something() ? Merge(*g, numbering).run() : g;
}

}  // namespace openinfer
