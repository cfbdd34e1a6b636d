// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_argmax(const InferContext& c) {
  TensorType result{DType::i32, c.type(0).shape};
  const std::size_t axis = axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kNumbers);                                // [C2]
  if (c.flag("keepdims"))
    result.shape[axis] = 1;
  else
    result.shape.erase(result.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return {result};
}

/// Position of the first largest of `extent` elements, `step` apart; a NaN counts as largest.
template <class T>
std::int32_t largest(const T* x, std::int64_t extent, std::int64_t step) {
  std::int64_t at = 0;
  auto best = Element<T>::load(x[0]);
  for (std::int64_t i = 1; i < extent; ++i) {
    const auto value = Element<T>::load(x[i * step]);
    if (best == best && (best < value || value != value)) at = i, best = value;
  }
  return static_cast<std::int32_t>(at);
}

void reference_argmax(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t axis = run.integer("axis");
  const AxisRows rows(x.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis));
  if (rows.extent == 0 && y.count() != 0)  // [C3]
    run.fail(ErrorCode::invalid_argument,
             fmt::format("no elements to take the largest of along axis {}: x is {}", axis, to_string(x.shape)));
  dispatch<kNumbers>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    run.parallel_for(rows.count(), row_grain(rows.extent), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        y.as<std::int32_t>()[r] = largest(x.as<T>() + rows.first(r), rows.extent, rows.inner);
    });
  });
}

}  // namespace

const OpDef& argmax_op() {
  static const OpDef op = {
      .name = "argmax",
      .operands = {{.name = "x"}},
      .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}, {"keepdims", AttributeKind::boolean, false}},
      .traits = {.reduction = true},
      .infer = infer_argmax,
      .reference = reference_argmax,
      .lower = lower_to_kernel};
  return op;
}

Value argmax(const In& x, std::int64_t axis, bool keepdims) {
  return call(argmax_op(), {x}, {{"axis", axis}, {"keepdims", keepdims}});
}

}  // namespace openinfer
