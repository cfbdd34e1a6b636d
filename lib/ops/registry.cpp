// SPDX-License-Identifier: Apache-2.0
// OpSet: operators by name and by infix symbol.
#include <fmt/format.h>

#include "lib/base/fail.h"
#include "lib/ops/builtin.h"

namespace openinfer {
namespace {

auto position(auto& ops, std::string_view name) {
  return std::lower_bound(ops.begin(), ops.end(), name,
                          [](const OpDef* op, std::string_view wanted) { return op->name < wanted; });
}

}  // namespace

const OpSet& OpSet::builtin() {
  static const OpSet set = [] {
    const OpDef* const ops[] = {
#define OPENINFER_OP(name) &name##_op(),
#include "lib/ops/list.def"
#undef OPENINFER_OP
    };
    return OpSet(ops);
  }();
  return set;
}

OpSet::OpSet(std::span<const OpDef* const> ops) {
  for (const OpDef* op : ops) add(*op);
}

void OpSet::add(const OpDef& op) {
  const auto at = position(ops_, op.name);
  if (at != ops_.end() && (*at)->name == op.name)
    fail(ErrorCode::invalid_argument, "an operator named '{}' is already in the set", op.name);
  if (!op.symbol.empty())
    if (const OpDef* other = find_symbol(op.symbol))
      fail(ErrorCode::invalid_argument, "'{}' already spells '{}', it cannot spell '{}'", op.symbol, other->name,
           op.name);
  ops_.insert(at, &op);
}

const OpDef* OpSet::find(std::string_view name) const {
  const auto at = position(ops_, name);
  return at != ops_.end() && (*at)->name == name ? *at : nullptr;
}

const OpDef* OpSet::find_symbol(std::string_view symbol) const {
  if (symbol.empty()) return nullptr;
  const auto at = std::find_if(ops_.begin(), ops_.end(), [&](const OpDef* op) { return op->symbol == symbol; });
  return at == ops_.end() ? nullptr : *at;
}

}  // namespace openinfer
