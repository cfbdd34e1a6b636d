// SPDX-License-Identifier: Apache-2.0
// The operators that are structure rather than mathematics. They have no infer and no reference: leaves carry their
// type, and regions are run by whoever walks them.
#include "lib/graph/ir.h"

namespace openinfer {

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
