// SPDX-License-Identifier: Apache-2.0
// transpose, slice, broadcast, concat as strided copies; reshape is no work at all.
#include <numeric>

#include "codegen/kernels/move.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/moves.h"
#include "lib/ops/shapes.h"

namespace openinfer::plan {
namespace {

/// A copy in sizes of the plan: for each place of `axes`.
struct Strided {
  Shape axes = {};
  std::vector<Size> from = {}, to = {};
  Size from_first = Size(0), to_first = Size(0);
  std::vector<bool> backwards = {};  // none, or for each axis
};

/// Dimensions of extent 1 are gone, and neighbours are one axis where both sides step through them as through one.
Strided merged(const Strided& s) {
  Strided m = {.from_first = s.from_first, .to_first = s.to_first};
  for (std::size_t d = 0; d < s.axes.size(); ++d) {
    if (s.axes[d] == Dim(1)) continue;
    const bool constant = s.axes[d].is_constant();  // a product of two symbols is no dimension
    const bool back = !s.backwards.empty() && s.backwards[d], before = !m.axes.empty() && m.backwards.back();
    const bool joins = !m.axes.empty() && constant && !back && !before &&
                       m.from.back() == s.from[d] * Size(s.axes[d]) && m.to.back() == s.to[d] * Size(s.axes[d]);
    if (joins) {
      m.axes.back() = m.axes.back() * s.axes[d].constant();
      m.from.back() = s.from[d];
      m.to.back() = s.to[d];
    } else {
      m.axes.push_back(s.axes[d]);
      m.from.push_back(s.from[d]);
      m.to.push_back(s.to[d]);
      m.backwards.push_back(back);
    }
  }
  return m;
}

void dispatch_move(GroupLowering& l, const std::string& name, const Strided& strided, DType dtype, const Operand& from,
                   const Operand& to) {
  const Strided s = merged(strided);
  kernels::Move what = {
      .dtype = dtype, .from_first = l.extent(s.from_first), .to_first = l.extent(s.to_first), .backwards = s.backwards};
  for (std::size_t d = 0; d < s.axes.size(); ++d) {
    what.axes.push_back(l.extent(s.axes[d]));
    what.from_steps.push_back(l.extent(s.from[d]));
    what.to_steps.push_back(l.extent(s.to[d]));
  }
  l.dispatch(kernels::move(l.target(), name, what), {{"x", from}, {"y", to}});
}

/// The one operand of a move, its result, and the copy that takes all of the result from the same place.
struct MoveNode {
  const Node& node;
  const Shape &from, &to;
  DType dtype;
  explicit MoveNode(const GroupLowering& l)
      : node(l.node(l.group().head)),
        from(l.type(node.operands[0]).shape),
        to(l.type(node.results[0]).shape),
        dtype(l.dtype(node.operands[0])) {}
  void dispatch(GroupLowering& l, const Strided& s) const {
    dispatch_move(l, std::string(node.op->name), s, dtype, l.operand(node.operands[0]), l.operand(node.results[0]));
  }
};

}  // namespace

std::vector<Size> dense_steps(const Shape& shape) {
  std::vector<Size> steps(shape.size(), Size(1));
  for (std::size_t d = shape.size(); d-- > 1;) steps[d - 1] = steps[d] * Size(shape[d]);
  return steps;
}

void dispatch_transpose(GroupLowering& l, const Operand& from, const Shape& shape,
                        const std::vector<std::size_t>& order, const Operand& to, DType dtype) {
  const std::vector<Size> dense = dense_steps(shape);
  Strided s;
  for (const std::size_t d : order) {
    s.axes.push_back(shape[d]);
    s.from.push_back(dense[d]);
  }
  s.to = dense_steps(s.axes);
  dispatch_move(l, "transpose", s, dtype, from, to);
}

void lower_transpose(GroupLowering& l) {
  const MoveNode m(l);
  std::vector<std::size_t> order;
  for (const Dim& d : std::get<Shape>(l.attribute(m.node, "order")))
    order.push_back(static_cast<std::size_t>(d.constant()));
  if (order.empty()) {  // the last two change places
    order.resize(m.from.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (order.size() > 1) std::swap(order[order.size() - 1], order[order.size() - 2]);
  }
  dispatch_transpose(l, l.operand(m.node.operands[0]), m.from, order, l.operand(m.node.results[0]), m.dtype);
}

void lower_slice(GroupLowering& l) {
  const MoveNode m(l);
  const std::size_t axis = axis_of(l, m.node, m.from.size());
  Strided s = {.axes = m.to, .from = dense_steps(m.from), .to = dense_steps(m.to)};
  s.from_first = Size(std::get<Dim>(l.attribute(m.node, "begin"))) * s.from[axis];
  s.from[axis] = s.from[axis] * Size(std::get<std::int64_t>(l.attribute(m.node, "step")));
  m.dispatch(l, s);
}

void lower_broadcast(GroupLowering& l) {
  const MoveNode m(l);
  const std::size_t leading = m.to.size() - m.from.size();
  const std::vector<Size> dense = dense_steps(m.from);
  Strided s = {.axes = m.to, .from = std::vector<Size>(m.to.size(), Size(0)), .to = dense_steps(m.to)};
  for (std::size_t d = 0; d < m.from.size(); ++d)
    if (!(m.from[d] == Dim(1))) s.from[leading + d] = dense[d];
  m.dispatch(l, s);
}

void lower_flip(GroupLowering& l) {
  const MoveNode m(l);
  Strided s = {.axes = m.from, .from = dense_steps(m.from), .to = dense_steps(m.to)};
  s.backwards.resize(m.from.size());
  for (const Dim& axis : std::get<Shape>(l.attribute(m.node, "axes")))
    s.backwards[openinfer::axis_of(axis.constant(), m.from.size())] = true;
  m.dispatch(l, s);
}

void lower_concat(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const Shape& to = l.type(n.results[0]).shape;
  const std::size_t axis = axis_of(l, n, to.size());
  const std::vector<Size> steps = dense_steps(to);
  Dim first = 0;
  for (const ValueId v : n.operands) {
    const Shape& part = l.type(v).shape;
    const Strided s = {.axes = part, .from = dense_steps(part), .to = steps, .to_first = Size(first) * steps[axis]};
    dispatch_move(l, "concat", s, l.dtype(v), l.operand(v), l.operand(n.results[0]));
    first = first + part[axis];
  }
}

void lower_reshape(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  l.alias(n.results[0], l.operand(n.operands[0]));
}

void lower_iota(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const TensorType& type = l.type(n.results[0]);
  kernels::Iota what = {.axis = axis_of(l, n, type.shape.size()), .dtype = type.dtype};
  for (const Dim& d : type.shape) what.axes.push_back(l.extent(d));
  l.dispatch(kernels::iota(l.target(), "iota", what), {{"y", l.operand(n.results[0])}});
}

}  // namespace openinfer::plan
