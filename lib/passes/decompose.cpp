// SPDX-License-Identifier: Apache-2.0
// Writes operators that have OpDef::decompose as others, until none is left. What is made stands where the operator
// stood: its results keep the names, every new node gets the location, and hints go to the nodes that they can concern:
// `fuse` to all, `variant` to those that have that variant, `tile` to these, or without a variant to all that are not
// elementwise.
#include <algorithm>

#include "lib/base/fail.h"
#include "lib/graph/names.h"
#include "lib/graph/rewrite.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

/// Operators that decompose into ones that decompose: deeper than this is an operator that comes back to itself.
constexpr int kMostRounds = 16;

class Decompose final : public Rewriter {
 public:
  using Rewriter::Rewriter;
  bool changed() const { return changed_; }

 private:
  std::optional<std::vector<ValueId>> replace(NodeId n) override {
    const Node& node = from().nodes[n];
    if (!node.op->decompose || node.op->traits.state != StateUse::none) return std::nullopt;
    const auto first = static_cast<NodeId>(draft().g.nodes.size());
    const auto first_value = static_cast<ValueId>(draft().g.values.size());
    const auto values = node.op->decompose(operands(node), node.attributes);
    if (values.empty()) return std::nullopt;
    changed_ = true;
    for (auto made = first; made < draft().g.nodes.size(); ++made) carry_over(node, draft().g.nodes[made]);
    return results(node, values, first, first_value);
  }

  /// The draft lives as long as this pass does: the handles own nothing.
  std::vector<OptionalIn> operands(const Node& node) {
    const std::shared_ptr<Draft> draft(std::shared_ptr<Draft>(), &this->draft());
    std::vector<OptionalIn> operands;
    for (ValueId v : node.operands) {
      auto& operand = operands.emplace_back();
      if (v != kNoValue) operand.emplace(Value(draft, mapped(v)), At(node.at.file, node.at.line));
    }
    return operands;
  }

  static void carry_over(const Node& from, Node& to) {
    to.at = from.at;
    if (is_leaf(to) || !to.regions.empty()) return;
    const hints& hint = from.hint;
    if (hint.fuse) to.hint.fuse = hint.fuse;
    const auto& variants = to.op->variants;
    const bool has_variant = std::find(variants.begin(), variants.end(), hint.variant) != variants.end();
    if (has_variant) to.hint.variant = hint.variant;
    if (hint.variant.empty() ? !to.op->traits.elementwise : has_variant) to.hint.tile = hint.tile;
  }

  std::vector<ValueId> results(const Node& node, const std::vector<Value>& values, NodeId first, ValueId first_value) {
    if (values.size() != node.results.size())
      fail_at(node.at, ErrorCode::internal, "[decompose] {} has {} results and becomes {}", node.op->name,
              node.results.size(), values.size());
    std::vector<ValueId> ids;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const ValueId made = values[i].id();
      const ValueInfo& wanted = from().values[node.results[i]];
      const ValueInfo& given = draft().g.values.at(made);
      if (given.type != wanted.type)
        fail_at(node.at, ErrorCode::internal, "[decompose] {} gives {} and becomes something that gives {}",
                node.op->name, wanted.type.to_string(), given.type.to_string());
      ids.push_back(made);
    }
    rename(node, ids, first, first_value);
    return ids;
  }

  /// Results that are new get the old names; what is between is called by the first of them and its operator.
  void rename(const Node& node, const std::vector<ValueId>& results, NodeId first, ValueId first_value) {
    const auto is_new = [&](ValueId v) {
      const ValueInfo& value = draft().g.values[v];
      return value.node != kNoNode && value.node >= first && !value.name.empty();
    };
    const std::string base(base_name(from().values[node.results[0]].name));
    for (ValueId v = first_value; v < draft().g.values.size(); ++v) {
      if (!is_new(v) || std::find(results.begin(), results.end(), v) != results.end()) continue;
      const OpDef& op = *draft().g.nodes[draft().g.values[v].node].op;
      draft().rename(v, to_name(fmt::format("{}_{}", base, op.name)), node.at);
    }
    for (std::size_t i = 0; i < results.size(); ++i)
      if (is_new(results[i])) draft().rename(results[i], from().values[node.results[i]].name, node.at);
  }

  bool changed_ = false;
};

}  // namespace

GraphPtr decompose(const GraphPtr& g) {
  const auto decomposes = [](const Node& n) { return n.op->decompose != nullptr; };
  if (std::none_of(g->nodes.begin(), g->nodes.end(), decomposes)) return g;
  GraphPtr result = g;
  for (int round = 0; round < kMostRounds; ++round) {
    Decompose pass(*result);
    const GraphPtr next = pass.run();
    if (!pass.changed()) return result;
    result = next;
  }
  fail(ErrorCode::invalid_argument, "[decompose] operators still decompose after {} rounds: one comes back to itself",
       kMostRounds);
}

}  // namespace openinfer
