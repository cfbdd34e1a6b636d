// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/rewrite.h"

#include "lib/base/fail.h"

namespace openinfer {

std::shared_ptr<const GraphData> Rewriter::run() {
  declarations();
  region(kTopRegion);
  for (const OutputDecl& o : from_.outputs) draft_.add_output(o.name, mapped(o.value), {});
  return draft_.finish({});
}

ValueId Rewriter::mapped(ValueId value) const {
  if (value == kNoValue) return kNoValue;
  OPENINFER_ASSERT(mapped_[value] != kNoValue);
  return mapped_[value];
}

std::vector<ValueId> Rewriter::mapped(const std::vector<ValueId>& values) const {
  std::vector<ValueId> result;
  for (ValueId v : values)
    if (!is_token(v)) result.push_back(mapped(v));
  return result;
}

void Rewriter::declarations() {
  draft_.g.model = from_.model;
  draft_.g.files = from_.files;
  draft_.g.dims = from_.dims;
  draft_.g.weights = from_.weights;
  for (std::size_t c = 0; c < from_.constants.size(); ++c) {
    const bool kept = keep_constant(c);
    constants_.push_back(kept ? static_cast<int>(draft_.g.constants.size()) : -1);
    if (kept) draft_.g.constants.push_back(from_.constants[c]);
  }
  for (std::size_t i = 0; i < from_.inputs.size(); ++i) {
    const ValueId v = from_.top().arguments[i];
    mapped_[v] = draft_.add_input(from_.inputs[i], from_.values[v].type, {});
  }
  for (const StateDecl& s : from_.states) draft_.declare_state(s.name, s.spec, {});
}

void Rewriter::region(RegionId id) {
  for (NodeId n : from_.regions[id].nodes) {
    if (!keep(n)) continue;
    const Node& node = from_.nodes[n];
    if (is_leaf(node))
      leaf(n);
    else if (node.op == &loop_op())
      loop(n);
    else if (node.op == &cond_op())
      cond(n);
    else
      operation(n);
  }
}

void Rewriter::leaf(NodeId id) {
  const Node& node = from_.nodes[id];
  const ValueId old = node.results[0];
  if (const auto other = replace(id))
    mapped_[old] = other->at(0);
  else if (node.op == &weight_op())
    mapped_[old] = draft_.add_weight(node.decl, mapped(node.operands), node.index, node.at);
  else if (node.op == &constant_op())
    mapped_[old] = draft_.add_constant(constants_.at(static_cast<std::size_t>(node.decl)), mapped(node.operands),
                                       node.index, node.at);
  else
    mapped_[old] = draft_.add_literal(node.literal, from_.values[old].type.dtype, node.at);
}

std::vector<std::size_t> Rewriter::kept_results(NodeId id) {
  std::vector<std::size_t> kept;
  const auto& results = from_.nodes[id].results;
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!is_token(results[i]) && keep_result(id, i)) kept.push_back(i);
  return kept;
}

void Rewriter::operation(NodeId id) {
  const Node& node = from_.nodes[id];
  auto results = replace(id);
  if (!results) {
    const int state = node.op->traits.state == StateUse::none ? -1 : from_.values[node.operands.back()].state;
    std::vector<std::string> names;
    for (ValueId v : node.results)
      if (!is_token(v)) names.push_back(from_.values[v].name);
    results = draft_.add_node(*node.op, mapped(node.operands), node.attributes, state, node.hint, node.at, names);
    draft_.g.nodes.back().fused = node.fused;
  }
  for (std::size_t i = 0; i < results->size(); ++i) mapped_[node.results.at(i)] = (*results)[i];
}

void Rewriter::loop(NodeId id) {
  const Node& node = from_.nodes[id];
  const Region& body = from_.regions[node.regions[0]];
  const auto kept = kept_results(id);
  if (skip(id)) {
    for (std::size_t i : kept) mapped_[node.results[i]] = mapped(node.operands[i]);
    return;
  }
  std::vector<ValueId> init, next;
  std::vector<std::string> names;
  for (std::size_t i : kept) {
    init.push_back(mapped(node.operands[i]));
    names.push_back(from_.values[body.arguments[i + 1]].name);
  }
  const auto bound = [&](std::string_view name) { return std::get<std::int64_t>(*node.attributes.find(name)); };
  auto open = draft_.begin_loop(from_.values[body.arguments[0]].name, bound("from"), bound("to"), std::move(init),
                                names, node.at);
  mapped_[body.arguments[0]] = open.arguments[0];
  for (std::size_t k = 0; k < kept.size(); ++k) mapped_[body.arguments[kept[k] + 1]] = open.arguments[k + 1];
  region(node.regions[0]);
  for (std::size_t i : kept) next.push_back(mapped(body.results[i]));
  const auto results = draft_.end_loop(std::move(open), next);
  for (std::size_t k = 0; k < kept.size(); ++k) mapped_[node.results[kept[k]]] = results[k];
}

void Rewriter::inlined(NodeId id, RegionId branch) {
  const Node& node = from_.nodes[id];
  region(branch);
  for (std::size_t i : kept_results(id)) mapped_[node.results[i]] = mapped(from_.regions[branch].results[i]);
}

void Rewriter::cond(NodeId id) {
  const Node& node = from_.nodes[id];
  if (const auto branch = taken(id)) return inlined(id, node.regions.at(*branch));
  const auto kept = kept_results(id);
  std::vector<std::string> names;
  for (std::size_t i : kept) names.push_back(from_.values[node.results[i]].name);
  auto open = draft_.begin_cond(mapped(node.operands[0]), node.at);
  for (RegionId branch : node.regions) {
    std::vector<ValueId> values;
    draft_.begin_branch(open);
    region(branch);
    for (std::size_t i : kept) values.push_back(mapped(from_.regions[branch].results[i]));
    draft_.end_branch(open, values);
  }
  const auto results = draft_.end_cond(std::move(open), names);
  for (std::size_t k = 0; k < kept.size(); ++k) mapped_[node.results[kept[k]]] = results[k];
}

}  // namespace openinfer
