// SPDX-License-Identifier: Apache-2.0
// Computes now what no input can change: operators on literals and constants with their reference, nodes that give an
// operand as it is, branches whose predicate is known, loops without turns. Package tensors are never read.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lib/graph/names.h"
#include "lib/graph/rewrite.h"
#include "lib/graph/uses.h"
#include "lib/ops/builtin.h"
#include "lib/passes/constant_run.h"
#include "lib/passes/identities.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

/// A folded node becomes part of the graph's text: no more bytes than this for all of its results.
constexpr std::int64_t kLargestResult = 64 << 10;
/// Nodes that are folded, so that its declarations stay within the verifier's limit.
constexpr std::size_t kMostConstants = 1024;

/// What is known of every value, from one walk in order.
class Knowledge {
 public:
  explicit Knowledge(const GraphData& g)
      : g_(g),
        tensors_(g.values.size()),
        same_(g.values.size()),
        folded_(g.nodes.size()),
        known_{[this](ValueId v) { return tensor(v); }, [this](ValueId v) { return same_[v]; }} {
    for (ValueId v = 0; v < same_.size(); ++v) same_[v] = v;
    region(kTopRegion);
  }

  bool found_something() const { return found_; }
  /// The value of the original that stands for this one.
  ValueId same(ValueId v) const { return same_[v]; }
  const Tensor* tensor(ValueId v) const { return tensors_[same_[v]] ? &*tensors_[same_[v]] : nullptr; }
  bool folded(NodeId n) const { return folded_[n]; }
  /// The branch of a known predicate.
  std::optional<std::size_t> taken(NodeId cond) const {
    const Node& node = g_.nodes[cond];
    const Tensor* predicate = tensor(node.operands[0]);
    if (!predicate) return std::nullopt;
    const std::size_t branch = predicate->data<bool>()[0] ? 0 : 1;
    if (any_view(g_.regions[node.regions[branch]].results)) return std::nullopt;
    return branch;
  }
  bool never_turns(NodeId loop) const {
    return bound(loop, "from") >= bound(loop, "to") && !any_view(g_.nodes[loop].operands);
  }

 private:
  /// A copy of a state's view may be used after the next write, the view itself may not: it must stay a copy.
  bool is_view(ValueId v) const { return g_.values[v].state < 0 && shown_view(g_, same_[v]) != kNoValue; }
  bool any_view(const std::vector<ValueId>& values) const {
    return std::any_of(values.begin(), values.end(), [&](ValueId v) { return is_view(v); });
  }

  std::int64_t bound(NodeId loop, std::string_view name) const {
    return std::get<std::int64_t>(*g_.nodes[loop].attributes.find(name));
  }

  void equate(ValueId result, ValueId with) {
    same_[result] = same_[with];
    found_ = true;
  }

  void region(RegionId id) {
    for (NodeId n : g_.regions[id].nodes) {
      const Node& node = g_.nodes[n];
      if (is_leaf(node))
        tensors_[node.results[0]] = leaf_tensor(g_, node);
      else if (node.op == &loop_op())
        loop(n);
      else if (node.op == &cond_op())
        cond(n);
      else
        operation(n);
    }
  }

  void loop(NodeId n) {
    const Node& node = g_.nodes[n];
    if (!never_turns(n)) return region(node.regions[0]);
    found_ = true;
    for (std::size_t i = 0; i < node.results.size(); ++i)
      if (g_.values[node.results[i]].state < 0) equate(node.results[i], node.operands[i]);
  }

  void cond(NodeId n) {
    const Node& node = g_.nodes[n];
    const auto branch = taken(n);
    for (std::size_t b = 0; b < node.regions.size(); ++b)
      if (!branch || b == *branch) region(node.regions[b]);
    if (!branch) return;
    found_ = true;
    for (std::size_t i = 0; i < node.results.size(); ++i)
      if (g_.values[node.results[i]].state < 0) equate(node.results[i], g_.regions[node.regions[*branch]].results[i]);
  }

  void operation(NodeId n) {
    const Node& node = g_.nodes[n];
    if (node.op->traits.state != StateUse::none) return;
    if (const auto same = identity_of(g_, node, known_); same && !is_view(*same)) return equate(node.results[0], *same);
    if (folds_ == kMostConstants) return;
    std::vector<std::optional<Tensor>> operands;
    for (ValueId v : node.operands) {
      const Tensor* t = v == kNoValue ? nullptr : tensor(v);
      if (v != kNoValue && !t) return;
      operands.push_back(t ? std::optional(*t) : std::nullopt);
    }
    auto results = run_on_constants(g_, node, operands, kLargestResult);
    if (!results) return;
    for (std::size_t i = 0; i < results->size(); ++i) tensors_[node.results[i]] = std::move((*results)[i]);
    // iota and fill say what they make in fewer words than a constant would.
    if (node.operands.empty()) return;
    folded_[n] = true;
    ++folds_;
    found_ = true;
  }

  const GraphData& g_;
  std::vector<std::optional<Tensor>> tensors_;
  std::vector<ValueId> same_;
  std::vector<char> folded_;
  Known known_;
  std::size_t folds_ = 0;
  bool found_ = false;
};

/// A scalar that a literal can say; others become constants. NaNs and infinities keep their bits in constants.
std::optional<Number> as_literal(const Tensor& t) {
  if (!t.shape().empty()) return std::nullopt;
  const DType dtype = t.dtype();
  if (dtype == f32 && std::isfinite(t.data<float>()[0])) return Number(double{t.data<float>()[0]});
  if (dtype == i32) return Number(std::int64_t{t.data<std::int32_t>()[0]});
  if (dtype == i64) return Number(t.data<std::int64_t>()[0]);
  if (dtype == boolean) return Number(std::int64_t{t.data<bool>()[0]});
  return std::nullopt;
}

class Fold final : public Rewriter {
 public:
  Fold(const GraphData& g, const Knowledge& known) : Rewriter(g), known_(known), uses_(g) {}

 private:
  /// A node stays out if its values are known and nothing that stays needs them as values.
  bool keep(NodeId n) override {
    if (!known_.folded(n)) return true;
    for (ValueId v : from().nodes[n].results)
      if (is_needed(v)) return true;
    return false;
  }
  bool is_needed(ValueId v) const {
    if (uses_.leaves(v)) return true;
    for (NodeId user : uses_.of(v))
      if (!known_.folded(user)) return true;
    return false;
  }

  std::optional<std::vector<ValueId>> replace(NodeId n) override {
    const Node& node = from().nodes[n];
    if (is_leaf(node)) return std::nullopt;
    if (known_.folded(n)) return constants(node);
    if (node.results.size() == 1 && known_.same(node.results[0]) != node.results[0])
      return std::vector{mapped(known_.same(node.results[0]))};
    return std::nullopt;
  }

  std::optional<std::vector<ValueId>> constants(const Node& node) {
    std::vector<ValueId> values;
    for (ValueId v : node.results) {
      const Tensor& t = *known_.tensor(v);
      if (const auto number = as_literal(t)) {
        values.push_back(draft().add_literal(*number, t.dtype(), node.at));
        continue;
      }
      const int decl = draft().declare_constant(constant_name(from().values[v].name), t, node.at);
      values.push_back(draft().add_constant(decl, {}, {}, node.at));
    }
    return values;
  }

  std::string constant_name(std::string_view value) {
    const std::string base(base_name(value));
    std::string name = base;
    const auto taken = [&] {
      for (const ConstantDecl& c : draft().g.constants)
        if (c.name == name) return true;
      return false;
    };
    for (int i = 1; taken(); ++i) name = fmt::format("{}.{}", base, i);
    return name;
  }

  std::optional<std::size_t> taken(NodeId n) override { return known_.taken(n); }
  bool skip(NodeId n) override { return known_.never_turns(n); }

  const Knowledge& known_;
  Uses uses_;
};

}  // namespace

GraphPtr fold(const GraphPtr& g) {
  const Knowledge known(*g);
  return known.found_something() ? Fold(*g, known).run() : g;
}

}  // namespace openinfer
