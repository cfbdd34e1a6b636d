// SPDX-License-Identifier: Apache-2.0
#include "lib/passes/identities.h"

#include <algorithm>
#include <cstring>

#include "lib/base/number.h"
#include "lib/ops/builtin.h"

namespace openinfer {
namespace {

using Rule = std::optional<ValueId> (*)(const GraphData& g, const Node& node, const Known& known);

/// Is every element of the value these bits?
bool is_all(const Known& known, ValueId v, Number number) {
  const Tensor* t = known.tensor(v);
  if (!t) return false;
  std::byte element[8] = {};
  const auto size = static_cast<std::size_t>(size_bytes(t->dtype(), 1));
  if (!store_number(number, t->dtype(), element)) return false;
  for (std::size_t at = 0; at < t->bytes().size(); at += size)
    if (std::memcmp(t->bytes().data() + at, element, size) != 0) return false;
  return true;
}

/// −0 of floats, 0 of integers: what leaves every bit pattern alone when added.
bool is_neutral_zero(const GraphData& g, const Known& known, ValueId v) {
  return is_float(g.values[v].type.dtype) ? is_all(known, v, -0.0) : is_all(known, v, std::int64_t{0});
}

std::optional<ValueId> multiplied(const GraphData&, const Node& n, const Known& known) {
  if (is_all(known, n.operands[1], std::int64_t{1})) return n.operands[0];
  if (is_all(known, n.operands[0], std::int64_t{1})) return n.operands[1];
  return std::nullopt;
}
std::optional<ValueId> divided(const GraphData&, const Node& n, const Known& known) {
  return is_all(known, n.operands[1], std::int64_t{1}) ? std::optional(n.operands[0]) : std::nullopt;
}
std::optional<ValueId> added(const GraphData& g, const Node& n, const Known& known) {
  if (is_neutral_zero(g, known, n.operands[1])) return n.operands[0];
  if (is_neutral_zero(g, known, n.operands[0])) return n.operands[1];
  return std::nullopt;
}
std::optional<ValueId> subtracted(const GraphData&, const Node& n, const Known& known) {
  return is_all(known, n.operands[1], std::int64_t{0}) ? std::optional(n.operands[0]) : std::nullopt;
}

/// −(−x), not(not(x)).
std::optional<ValueId> twice(const GraphData& g, const Node& n, const Known& known) {
  const NodeId inner = g.values[known.resolve(n.operands[0])].node;
  if (inner == kNoNode || g.nodes[inner].op != n.op) return std::nullopt;
  return g.nodes[inner].operands[0];
}

/// With equal types there was nothing to do; a cast of a family in several dtypes has another type than its members.
std::optional<ValueId> unchanged(const GraphData&, const Node& n, const Known&) { return n.operands[0]; }

std::optional<ValueId> transposed(const GraphData& g, const Node& n, const Known&) {
  const Attribute* order = n.attributes.find("order");
  const Shape axes = order ? std::get<Shape>(*order) : Shape{};
  if (axes.empty() && g.values[n.operands[0]].type.shape.size() >= 2) return std::nullopt;
  for (std::size_t d = 0; d < axes.size(); ++d)
    if (axes[d] != Dim(static_cast<std::int64_t>(d))) return std::nullopt;
  return n.operands[0];
}

std::optional<ValueId> sliced(const GraphData&, const Node& n, const Known&) {
  const Attribute *begin = n.attributes.find("begin"), *step = n.attributes.find("step");
  const bool first = !begin || std::get<Dim>(*begin) == Dim(0);
  const bool each = !step || std::get<std::int64_t>(*step) == 1;
  return first && each ? std::optional(n.operands[0]) : std::nullopt;
}

std::optional<ValueId> joined(const GraphData&, const Node& n, const Known&) {
  return n.operands.size() == 1 ? std::optional(n.operands[0]) : std::nullopt;
}

std::optional<ValueId> selected(const GraphData&, const Node& n, const Known& known) {
  if (is_all(known, n.operands[0], std::int64_t{1})) return n.operands[1];
  if (is_all(known, n.operands[0], std::int64_t{0})) return n.operands[2];
  return std::nullopt;
}

Rule rule_of(const OpDef& op) {
  const std::pair<const OpDef*, Rule> rules[] = {
      {&mul_op(), multiplied},       {&div_op(), divided},       {&add_op(), added},
      {&sub_op(), subtracted},       {&neg_op(), twice},         {&not_op(), twice},
      {&cast_op(), unchanged},       {&reshape_op(), unchanged}, {&broadcast_op(), unchanged},
      {&transpose_op(), transposed}, {&slice_op(), sliced},      {&concat_op(), joined},
      {&select_op(), selected},
  };
  const auto found = std::find_if(std::begin(rules), std::end(rules), [&](const auto& r) { return r.first == &op; });
  return found == std::end(rules) ? nullptr : found->second;
}

}  // namespace

std::optional<ValueId> identity_of(const GraphData& g, const Node& node, const Known& known) {
  const Rule rule = rule_of(*node.op);
  const auto same = rule ? rule(g, node, known) : std::nullopt;
  if (!same) return std::nullopt;
  const ValueInfo &operand = g.values[*same], &result = g.values[node.results[0]];
  // Broadcasting may have made the result larger than the operand.
  return operand.dtypes.size() <= 1 && operand.type == result.type ? same : std::nullopt;
}

}  // namespace openinfer
