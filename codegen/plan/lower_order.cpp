// SPDX-License-Identifier: Apache-2.0
// What looks along an axis and leaves one: top_k, sort, cumsum, scatter.
#include <fmt/format.h>

#include "codegen/kernels/cumsum.h"
#include "codegen/kernels/scatter.h"
#include "codegen/kernels/sort.h"
#include "codegen/kernels/top_k.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"

namespace openinfer::plan {
namespace {

/// Places are i32, and pairs of runs must be.
constexpr std::int64_t kMostSorted = std::int64_t{1} << 30;

/// The node's first operand along its attribute `axis`.
Cut cut_along_axis(GroupLowering& l, const Node& n) {
  const Shape& shape = l.type(n.operands[0]).shape;
  const std::size_t axis = axis_of(l, n, shape.size());
  return cut(l, shape, axis, axis + 1);
}

}  // namespace

void lower_top_k(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Cut c = cut_along_axis(l, n);
  const std::int64_t k = std::get<std::int64_t>(l.attribute(n, "k"));
  l.dispatch(
      kernels::top_k(l.target(), kernel_name(l, n), {c.outer, c.axis, c.inner, k, l.dtype(n.operands[0])}),
      {{"x", l.operand(n.operands[0])}, {"values", l.operand(n.results[0])}, {"indices", l.operand(n.results[1])}});
}

/// The places go to and fro between two scratch buffers; the last kernel writes the results.
void lower_sort(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Cut c = cut_along_axis(l, n);
  if (c.axis.value > kMostSorted)
    l.unsupported(n,
                  fmt::format("an axis of up to {} elements has no kernel; {} is the most: give the dimension bounds",
                              c.axis.value, kMostSorted));
  const std::string name = kernel_name(l, n);
  kernels::Sorting what = {.outer = c.outer,
                           .axis = c.axis,
                           .inner = c.inner,
                           .x = l.dtype(n.operands[0]),
                           .descending = std::get<bool>(l.attribute(n, "descending"))};
  const Shape& shape = l.type(n.operands[0]).shape;
  std::int64_t run = kernels::kSortRun;
  std::vector<Operand> scratch;
  for (std::int64_t merged = run; merged < c.axis.value && scratch.size() < 2; merged *= 2)
    scratch.push_back(l.scratch(fmt::format("{}_places_{}", name, scratch.size()), DType::i32, shape));
  std::size_t turn = 0;
  const auto dispatch = [&](bool last, auto make, Bindings bind) {
    what.values = last;
    bind["x"] = l.operand(n.operands[0]);
    bind["to"] = last ? l.operand(n.results[1]) : scratch[turn % 2];
    if (last) bind["values"] = l.operand(n.results[0]);
    l.dispatch(make(), bind);
    ++turn;
  };
  dispatch(run >= c.axis.value, [&] { return kernels::sort_runs(l.target(), name + "_runs", what); }, {});
  for (; run < c.axis.value; run *= 2)
    dispatch(2 * run >= c.axis.value,
             [&] { return kernels::merge_runs(l.target(), fmt::format("{}_merge_{}", name, run), what, run); },
             {{"from", scratch[(turn - 1) % 2]}});
}

void lower_cumsum(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Cut c = cut_along_axis(l, n);
  l.dispatch(kernels::cumsum(l.target(), kernel_name(l, n), {c.outer, c.axis, c.inner, l.dtype(n.operands[0])}),
             {{"x", l.operand(n.operands[0])}, {"y", l.operand(n.results[0])}});
}

void lower_scatter(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Cut c = cut_along_axis(l, n);
  const kernels::Scatter what = {.outer = c.outer,
                                 .entries = c.axis,
                                 .count = l.extent(Size::count(l.type(n.operands[1]).shape)),
                                 .inner = c.inner,
                                 .x = l.dtype(n.operands[0]),
                                 .ids = l.dtype(n.operands[1]),
                                 .add = std::get<bool>(l.attribute(n, "add"))};
  l.dispatch(kernels::scatter(l.target(), kernel_name(l, n), what), {{"x", l.operand(n.operands[0])},
                                                                     {"ids", l.operand(n.operands[1])},
                                                                     {"updates", l.operand(n.operands[2])},
                                                                     {"y", l.operand(n.results[0])}});
}

}  // namespace openinfer::plan
