// SPDX-License-Identifier: Apache-2.0
// The operators that are structure rather than mathematics. They have no infer and no reference: leaves carry their
// type, and regions are run by whoever walks them.
#include "lib/graph/ir.h"

namespace openinfer {

ValueId shown_view(const GraphData& g, ValueId v) {
  for (;;) {
    if (v == kNoValue || g.values[v].state >= 0 || g.values[v].node == kNoNode) return kNoValue;
    const Node& node = g.nodes[g.values[v].node];
    if (node.op->traits.view && node.op->traits.state == StateUse::read) return v;
    if (!node.op->traits.in_order) return kNoValue;
    v = node.operands[0];
  }
}

const OpDef& weight_op() {
  static const OpDef def{.name = "weight"};
  return def;
}

const OpDef& constant_op() {
  static const OpDef def{.name = "constant"};
  return def;
}

const OpDef& literal_op() {
  static const OpDef def{.name = "literal"};
  return def;
}

const OpDef& loop_op() {
  static const OpDef def{
      .name = "loop",
      .operands = {{.name = "init", .presence = OperandSpec::Presence::variadic}},
      .attributes = {{.name = "from", .kind = AttributeKind::integer}, {.name = "to", .kind = AttributeKind::integer}}};
  return def;
}

const OpDef& cond_op() {
  static const OpDef def{.name = "cond", .operands = {{.name = "predicate"}}};
  return def;
}

}  // namespace openinfer
