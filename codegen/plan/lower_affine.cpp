// SPDX-License-Identifier: Apache-2.0
// Affine quantisation: numbers out of integers, by the kernel that reads them or as a tensor of their own.
#include <fmt/format.h>

#include <utility>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/gather.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"

namespace openinfer::plan {
namespace {

kernels::AffineCode affine_code_of(const GroupLowering& l, const Node& n) {
  const auto numbers = [&](ValueId v) {
    Extents extents;
    for (const Dim& d : l.type(v).shape) {
      if (!d.is_constant()) l.unsupported(n, "a shape that is not known has no kernel");
      extents.push_back(d.constant());
    }
    return extents;
  };
  const bool of_all = l.type(n.operands[1]).shape.empty();  // then q may have any shape
  Extents stored = of_all ? Extents{} : numbers(n.operands[0]);
  if (!of_all && l.transposed(n.operands[0])) std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  std::string why;
  kernels::AffineCode code = {
      .places = affine_places(stored, numbers(n.operands[1]), std::get<std::int64_t>(l.attribute(n, "axis")),
                              std::get<std::int64_t>(l.attribute(n, "group")), why),
      .scale = l.dtype(n.operands[1])};
  if (!why.empty()) l.unsupported(n, "the scale does not fit the tensor as it is stored: " + why);
  if (n.operands[2] != kNoValue) code.zero = l.dtype(n.operands[2]);
  return code;
}

void bind_affine(GroupLowering& l, const Node& n, const std::string& name, Bindings& bind) {
  bind[name] = l.operand(n.operands[0]);
  bind[name + "_scale"] = l.operand(n.operands[1]);
  if (n.operands[2] != kNoValue) bind[name + "_zero"] = l.operand(n.operands[2]);
}

}  // namespace

ReadAs read_as(GroupLowering& l, ValueId value) {
  if (!l.is_read_through(value)) return {.stored = value};
  const Node& n = l.node(l.graph().values[value].node);
  return {.stored = n.operands[0], .affine = affine_code_of(l, n)};
}

void bind_stored(GroupLowering& l, ValueId value, const std::string& name, std::map<std::string, Operand>& bind) {
  if (l.is_read_through(value)) return bind_affine(l, l.node(l.graph().values[value].node), name, bind);
  bind[name] = l.operand(value);
}

void lower_affine(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Shape& shape = l.type(n.operands[0]).shape;
  const std::size_t rank = shape.size(), row = rank < 2 ? 0 : rank - 2, last = rank < 1 ? 0 : rank - 1;
  const auto part = [&](std::size_t from, std::size_t to) {
    const auto at = [&](std::size_t d) { return shape.begin() + static_cast<std::ptrdiff_t>(d); };
    return l.extent(Size::count({at(from), at(to)}));
  };
  const kernels::Decode what = {.outer = part(0, row),
                                .rows = part(row, last),
                                .columns = part(last, rank),
                                .stored = l.dtype(n.operands[0]),
                                .result = DType::f32,
                                .transposed = l.transposed(n.operands[0]),
                                .affine = affine_code_of(l, n)};
  Bindings bind = {{"y", l.operand(n.results[0])}};
  bind_affine(l, n, "x", bind);
  l.dispatch(kernels::decode(l.target(), "affine_" + identifier(l.graph().values[n.results[0]].name), what), bind);
}

}  // namespace openinfer::plan
