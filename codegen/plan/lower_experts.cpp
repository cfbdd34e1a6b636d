// SPDX-License-Identifier: Apache-2.0
// expert_matmul: each row by the matrix that it chose, with what follows elementwise.
#include "codegen/kernels/product.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"

namespace openinfer::plan {

void lower_expert_matmul(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const ValueId x = n.operands[0], w = n.operands[1], ids = n.operands[2];
  const Shape& shape = l.type(w).shape;
  kernels::Product what;
  what.x = l.dtype(x);
  what.of = name_of(l, x);
  if (what.of == "ids") what.of = "x";
  what.rows = l.extent(Size::count(l.type(ids).shape));
  what.inner = l.extent(shape[1]);
  if (!what.inner.known() || !l.extent(shape[0]).known())
    l.unsupported(n, "experts of a size or number that is not known have no kernel");
  Bindings bind = {{what.of, l.operand(x)}};
  std::string name = name_of(l, w);
  while (bind.contains(name) || name == "ids") name += "_2";
  what.name = "expert_matmul_" + name;
  what.weights = {
      {.name = name, .dtype = l.dtype(w), .columns = l.extent(shape[2]), .by_rows = l.transposed(w), .bias = {}}};
  what.codebooks = bind_codebooks(l, w, bind);
  what.experts = {.count = shape[0].constant(),
                  .choices = l.type(x).shape.size() == 2 ? l.extent(l.type(ids).shape[1]) : kernels::Extent{1}};
  bind[name] = l.operand(w);
  bind["ids"] = l.operand(ids);
  bool rest = false;
  Tail tail = row_tail(l, l.group().tail, {n.results[0]}, bind, rest);
  what.tails = {std::move(tail.pointwise)};
  bind.insert(tail.bind.begin(), tail.bind.end());
  if (rest) l.leave_out(l.group().tail);
  l.dispatch(kernels::product(l.target(), what), bind);
  if (!rest) return;
  for (const NodeId t : l.group().tail) l.lower_alone(t);
}

}  // namespace openinfer::plan
