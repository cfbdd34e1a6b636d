// SPDX-License-Identifier: Apache-2.0
// Groups of elementwise nodes.
#include <algorithm>
#include <array>

#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"

namespace openinfer::plan {
namespace {

bool moves_at(const Shape& own, const Shape& result, std::size_t dim) {
  const std::size_t missing = result.size() - own.size();
  return dim >= missing && !(own[dim - missing] == Dim(1));
}

/// Neighbouring dimensions become one axis where every operand has both or neither.
std::vector<std::size_t> axes_of(const GroupLowering& l, const std::vector<NodeId>& nodes, const Shape& shape) {
  std::vector<std::size_t> axes;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const bool joins = d > 0 && std::all_of(nodes.begin(), nodes.end(), [&](NodeId n) {
                         const auto& operands = l.node(n).operands;
                         return std::all_of(operands.begin(), operands.end(), [&](ValueId v) {
                           const Shape& own = l.type(v).shape;
                           return shape[d] == Dim(1) || shape[d - 1] == Dim(1) ||
                                  moves_at(own, shape, d) == moves_at(own, shape, d - 1);
                         });
                       });
    if (joins)
      ++axes.back();
    else
      axes.push_back(1);
  }
  return axes;
}

/// Operators whose names are words of a language, or functions that every kernel finds there.
std::string function_name(const std::string& ops) {
  constexpr std::array<std::string_view, 13> kTaken = {"abs", "and", "convert", "floor",  "fma",  "max", "min",
                                                       "not", "or",  "round",   "select", "sqrt", "xor"};
  return std::find(kTaken.begin(), kTaken.end(), ops) == kTaken.end() ? ops : ops + "_elements";
}

}  // namespace

void lower_pointwise(GroupLowering& l) {
  const std::vector<NodeId> nodes = l.group().tail.empty() ? std::vector{l.group().head} : l.group().tail;
  const ValueId last = l.node(nodes.back()).results[0];
  const Shape& shape = l.type(last).shape;
  std::optional<Tail> tail = tail_of(l, nodes, {}, shape, axes_of(l, nodes, shape));
  if (!tail) tail = tail_of(l, nodes, {}, shape, std::vector<std::size_t>(shape.size(), 1));
  std::string name;
  for (const NodeId n : nodes) name += (name.empty() ? "" : "_") + std::string(l.node(n).op->name);
  if (name.size() > 40) name = "elementwise_" + identifier(l.graph().values[last].name);
  l.dispatch(kernels::pointwise(l.target(), function_name(name), tail->pointwise), tail->bind);
}

}  // namespace openinfer::plan
