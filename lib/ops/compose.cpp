// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/compose.h"

#include "lib/base/fail.h"
#include "lib/graph/builder.h"
#include "lib/graph/draft.h"
#include "lib/ops/builtin.h"
#include "openinfer/op_def.h"
#include "openinfer/ops.h"

namespace openinfer {

Value value_in(std::string_view op, const In& x, const std::vector<In>& others) {
  if (const Value* value = std::get_if<Value>(&x.operand())) return check_kept(*value, op, x.at()), *value;
  std::vector<OptionalIn> operands = {x};
  operands.insert(operands.end(), others.begin(), others.end());
  const std::shared_ptr<Draft> draft = draft_of(op, operands, {}, x.at());
  return {draft, to_value(*draft, x)};
}

std::string described(const Value& x) { return x.draft()->describe(x.id()); }

std::size_t axis_within(std::string_view op, std::int64_t axis, std::size_t rank, const Value& x, Location at) {
  const auto size = static_cast<std::int64_t>(rank);
  if (axis < -size || axis >= size)
    fail_at(at, ErrorCode::invalid_argument, "[{}] axis {} is outside {} {}, with {} dimensions", op, axis,
            described(x), to_string(x.shape()), rank);
  return static_cast<std::size_t>(axis < 0 ? axis + size : axis);
}

Value fill_beside(const Value& x, Shape shape, double value, DType dtype, Location at) {
  const Attributes attributes = {{"shape", std::move(shape)}, {"value", value}, {"dtype", dtype}};
  return apply(fill_op(), {}, attributes, {.state = {}, .draft = x.draft()}, at).front();
}

Value iota_beside(const Value& x, Shape shape, std::int64_t axis, DType dtype, Location at) {
  const Attributes attributes = {{"shape", std::move(shape)}, {"axis", axis}, {"dtype", dtype}};
  return apply(iota_op(), {}, attributes, {.state = {}, .draft = x.draft()}, at).front();
}

Dim window_count(std::string_view op, const Dim& extent, const Windows& w, Location at) {
  if (w.size < 1 || w.stride < 1 || w.dilation < 1)
    fail_at(at, ErrorCode::invalid_argument, "[{}] window {}, stride {} and dilation {} must be 1 or more", op, w.size,
            w.stride, w.dilation);
  const Dim rest = extent.plus(Dim(-(w.dilation * (w.size - 1) + 1)));
  if (rest.is_constant() && rest.constant() < 0)
    fail_at(at, ErrorCode::shape_mismatch, "[{}] a window of {} elements, {} apart, does not fit {}", op, w.size,
            w.dilation, extent.to_string());
  const std::int64_t c = rest.constant();
  Dim count = 1 + (c >= 0 ? c / w.stride : -((w.stride - 1 - c) / w.stride));
  for (const Dim::Term& t : rest.terms()) {
    if (t.factor % w.stride != 0)
      fail_at(at, ErrorCode::shape_mismatch, "[{}] windows {} apart over {} elements have no affine number", op,
              w.stride, extent.to_string());
    count = count.plus(Dim::symbol(t.symbol).times(t.factor / w.stride));
  }
  return count;
}

Value windows_along(std::string_view op, const Value& x, std::size_t axis, const Windows& w, Location at) {
  const Shape shape = x.shape();
  const Dim count = window_count(op, shape[axis], w, at);
  const Shape places = {count, w.size};
  const auto steps = [&](std::int64_t along, std::int64_t step) -> In {
    const In counted = In(iota_beside(x, places, along, i32, at), at);
    return step == 1 ? counted : In(mul(counted, In(step, at)), at);
  };
  const Value ids = add(steps(0, w.stride), steps(1, w.dilation));
  return gather(In(x, at), In(ids, at), static_cast<std::int64_t>(axis));
}

}  // namespace openinfer
