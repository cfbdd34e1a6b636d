// SPDX-License-Identifier: Apache-2.0
// Norms, softmax, reductions and gather, each with what follows it elementwise; cast out of blocks.
#include <fmt/format.h>

#include <algorithm>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/gather.h"
#include "codegen/kernels/norm.h"
#include "codegen/kernels/reduce.h"
#include "codegen/kernels/softmax.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/moves.h"
#include "codegen/plan/tail.h"
#include "lib/ops/shapes.h"

namespace openinfer::plan {
namespace {

/// make(tail) builds the kernel whose other buffers `bind` names; the head's result is what is given to the tail.
template <class Make>
void with_tail(GroupLowering& l, const Node& head, Bindings bind, Make make) {
  bool rest = false;
  Tail tail = row_tail(l, l.group().tail, {head.results[0]}, bind, rest);
  bind.insert(tail.bind.begin(), tail.bind.end());
  if (rest) l.leave_out(l.group().tail);
  l.dispatch(make(std::move(tail.pointwise)), bind);
  if (!rest) return;
  for (const NodeId n : l.group().tail) l.lower_alone(n);
}

/// Dimensions that a reduction goes over; those of extent 1 belong to either side.
std::vector<bool> reduced_dims(const GroupLowering& l, const Node& n, const Shape& shape) {
  const Shape& axes = std::get<Shape>(l.attribute(n, "axes"));
  std::vector<bool> reduced(shape.size(), axes.empty());
  for (const Dim& axis : axes) reduced[openinfer::axis_of(axis.constant(), shape.size())] = true;
  return reduced;
}

/// The run of dimensions [first, last) that are reduced; nothing if there are several runs.
std::optional<std::pair<std::size_t, std::size_t>> one_run(const std::vector<bool>& reduced, const Shape& shape) {
  std::size_t first = shape.size(), last = shape.size();
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (reduced[d] && !(shape[d] == Dim(1))) {
      if (first == shape.size()) first = d;
      last = d + 1;
    }
  for (std::size_t d = first; d < last; ++d)
    if (!reduced[d] && !(shape[d] == Dim(1))) return std::nullopt;
  return std::pair(first, last);
}

}  // namespace

std::string kernel_name(const GroupLowering& l, const Node& head) {
  return std::string(head.op->name) + "_" + identifier(l.graph().values[head.results[0]].name);
}

Cut cut(GroupLowering& l, const Shape& shape, std::size_t first, std::size_t last) {
  const auto at = [&](std::size_t d) { return shape.begin() + static_cast<std::ptrdiff_t>(d); };
  return {l.extent(Size::count({shape.begin(), at(first)})), l.extent(Size::count({at(first), at(last)})),
          l.extent(Size::count({at(last), shape.end()}))};
}

std::size_t axis_of(const GroupLowering& l, const Node& n, std::size_t rank) {
  return openinfer::axis_of(std::get<std::int64_t>(l.attribute(n, "axis")), rank);
}

void lower_norm(GroupLowering& l) {
  const Node& n = l.node(l.group().head == kNoNode ? l.group().norm : l.group().head);
  const Shape& shape = l.type(n.operands[0]).shape;
  Bindings bind = {{"x", l.operand(n.operands[0])}, {"w", l.operand(n.operands[1])}};
  kernels::Norm what = {.rows = l.extent(Size::count(Shape(shape.begin(), shape.end() - 1))),
                        .width = l.extent(shape.back()),
                        .x = l.dtype(n.operands[0]),
                        .w = l.dtype(n.operands[1]),
                        .centred = n.op->name == "layer_norm",
                        .eps = std::get<double>(l.attribute(n, "eps"))};
  if (what.centred && n.operands[2] != kNoValue) {
    what.b = l.dtype(n.operands[2]);
    bind["b"] = l.operand(n.operands[2]);
  }
  std::optional<Operand> blocks;
  if (l.group().tail.empty() && what.x == DType::f32) blocks = l.rows_instead_in(RowForm::int8, n.results[0]);
  what.only_int8 = blocks.has_value();
  if (!blocks) blocks = l.rows_wanted_in(RowForm::int8, n.results[0]);
  if (blocks) {
    what.int8 = "int8_rows";
    bind[what.int8] = *blocks;
  }
  if (what.only_int8) return l.dispatch(kernels::norm(l.target(), kernel_name(l, n), what), bind);
  if (const std::optional<Operand> rows = l.rows_wanted_in(RowForm::bf16, n.results[0])) {
    what.bf16 = "bf16_rows";
    bind[what.bf16] = *rows;
  }
  with_tail(l, n, bind, [&](kernels::Pointwise tail) {
    what.tail = std::move(tail);
    return kernels::norm(l.target(), kernel_name(l, n), what);
  });
}

void lower_softmax(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  if (l.dtype(n.operands[0]) == DType::f64) l.unsupported(n, "devices have no exp of f64; cast x to f32");
  const Shape& shape = l.type(n.operands[0]).shape;
  const std::size_t axis = axis_of(l, n, shape.size());
  const Cut c = cut(l, shape, axis, axis + 1);
  with_tail(l, n, {{"x", l.operand(n.operands[0])}}, [&](kernels::Pointwise tail) {
    return kernels::softmax(l.target(), kernel_name(l, n),
                            {c.outer, c.axis, c.inner, l.dtype(n.operands[0]), std::move(tail)});
  });
}

namespace {

kernels::Reduce::Fold fold_of(std::string_view op) {
  using Fold = kernels::Reduce::Fold;
  if (op == "sum") return Fold::sum;
  if (op == "mean") return Fold::mean;
  if (op == "prod") return Fold::prod;
  return op == "reduce_max" ? Fold::max : Fold::min;
}

}  // namespace

void lower_reduce(GroupLowering& l) {
  using Fold = kernels::Reduce::Fold;
  const Node& n = l.node(l.group().head);
  Shape shape = l.type(n.operands[0]).shape;
  const DType dtype = l.dtype(n.operands[0]);
  std::vector<bool> reduced = reduced_dims(l, n, shape);
  Operand x = l.operand(n.operands[0]);
  if (!one_run(reduced, shape)) {  // the reduced dimensions behind all others
    std::vector<std::size_t> order;
    for (const bool wanted : {false, true})
      for (std::size_t d = 0; d < shape.size(); ++d)
        if (reduced[d] == wanted) order.push_back(d);
    Shape moved;
    for (const std::size_t d : order) moved.push_back(shape[d]);
    const Operand to = l.scratch(identifier(l.graph().values[n.results[0]].name) + "_moved", dtype, moved);
    dispatch_transpose(l, x, shape, order, to, dtype);
    std::sort(reduced.begin(), reduced.end());
    shape = std::move(moved);
    x = to;
  }
  const auto [first, last] = *one_run(reduced, shape);
  const Cut c = cut(l, shape, first, last);
  const Fold fold = fold_of(n.op->name);
  if ((fold == Fold::max || fold == Fold::min) && c.axis.is(0))
    l.unsupported(n, fmt::format("there is no {} of no elements", fold == Fold::max ? "largest" : "smallest"));
  with_tail(l, n, {{"x", x}}, [&](kernels::Pointwise tail) {
    return kernels::reduce(l.target(), kernel_name(l, n), {fold, c.outer, c.axis, c.inner, dtype, std::move(tail)});
  });
}

void lower_argmax(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Shape& shape = l.type(n.operands[0]).shape;
  const std::size_t axis = axis_of(l, n, shape.size());
  const Cut c = cut(l, shape, axis, axis + 1);
  const bool largest = n.op->name == "argmax";
  if (c.axis.is(0)) l.unsupported(n, fmt::format("there is no {} of no elements", largest ? "largest" : "smallest"));
  const auto fold = largest ? kernels::Reduce::Fold::argmax : kernels::Reduce::Fold::argmin;
  const bool last = !std::get<bool>(l.attribute(n, "select_first"));
  with_tail(l, n, {{"x", l.operand(n.operands[0])}}, [&](kernels::Pointwise tail) {
    return kernels::reduce(l.target(), kernel_name(l, n),
                           {fold, c.outer, c.axis, c.inner, l.dtype(n.operands[0]), std::move(tail), last});
  });
}

void lower_gather(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Shape& shape = l.type(n.operands[0]).shape;
  const std::size_t axis = axis_of(l, n, shape.size());
  const Cut c = cut(l, shape, axis, axis + 1);
  const ReadAs table = read_as(l, n.operands[0]);
  kernels::Gather what = {.outer = c.outer,
                          .entries = c.axis,
                          .count = l.extent(Size::count(l.type(n.operands[1]).shape)),
                          .inner = c.inner,
                          .table = l.dtype(table.stored),
                          .layout = l.layout(table.stored),
                          .ids = l.dtype(n.operands[1])};
  const bool decodes = info(what.table).block_size > 1 || table.affine;  // of two dimensions then
  what.affine = table.affine;
  if (decodes) what.transposed = l.transposed(table.stored);
  if (l.transposed(table.stored) && !decodes) {
    if (shape.size() != 2) l.unsupported(n, "a transposed table of other than two dimensions has no kernel; cast it");
    const kernels::Extent rows = l.extent(shape[0]);  // it lies as (columns, rows)
    what.steps =
        axis == 0 ? std::vector<kernels::Extent>{{1}, {1}, rows} : std::vector<kernels::Extent>{{1}, rows, {1}};
  }
  Bindings bind = {{"ids", l.operand(n.operands[1])}};
  bind_stored(l, n.operands[0], "table", bind);
  what.codebooks = bind_codebooks(l, n.operands[0], bind);
  with_tail(l, n, bind, [&](kernels::Pointwise tail) {
    what.tail = std::move(tail);
    return kernels::gather(l.target(), kernel_name(l, n), what);
  });
}

void lower_cast(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Shape& shape = l.type(n.operands[0]).shape;
  const DType stored = l.dtype(n.operands[0]);
  const std::size_t rank = shape.size();  // 0: an 8-bit float alone
  const Cut c = cut(l, shape, rank < 2 ? 0 : rank - 2, rank < 1 ? 0 : rank - 1);
  Bindings bind = {{"x", l.operand(n.operands[0])}, {"y", l.operand(n.results[0])}};
  const kernels::Decode what = {.outer = c.outer,
                                .rows = c.axis,
                                .columns = c.inner,
                                .stored = stored,
                                .result = l.dtype(n.results[0]),
                                .transposed = l.transposed(n.operands[0]),
                                .codebooks = bind_codebooks(l, n.operands[0], bind)};
  l.dispatch(kernels::decode(l.target(), kernel_name(l, n), what), bind);
}

}  // namespace openinfer::plan
