// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/base/dot.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_softmax(const InferContext& c) {
  axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kFloats);        // [C2]
  return {c.type(0)};
}

template <class C>
void normalise_softmax(std::span<C> x) {
  C largest = x.empty() ? C(0) : x[0];
  for (const C value : x) largest = value > largest ? value : largest;
  for (C& value : x) value = std::exp(value - largest);
  const C sum = sum16(x.data(), static_cast<std::int64_t>(x.size()));
  for (C& value : x) value = value / sum;
}

void reference_softmax(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t axis = run.integer("axis");
  const AxisRows rows(x.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis));
  with_sum_type(x.dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    run.parallel_for(rows.count(), row_grain(rows.extent), [&](std::int64_t begin, std::int64_t end) {
      std::vector<C> row(static_cast<std::size_t>(rows.extent));
      for (std::int64_t r = begin; r < end; ++r) {
        load_row<C>(x, rows.first(r), rows.inner, row);
        normalise_softmax<C>(row);
        store_row<C>(y, rows.first(r), rows.inner, row);
      }
    });
  });
}

Workspace workspace_softmax(const OpRun& run) {
  const std::int64_t axis = run.integer("axis");
  const Extents& shape = run.in(0).shape;
  return {.per_thread_bytes = shape[static_cast<std::size_t>(axis < 0 ? axis + std::ssize(shape) : axis)] * 8};
}

}  // namespace

const OpDef& softmax_op() {
  static const OpDef op = {.name = "softmax",
                           .operands = {{.name = "x"}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}},
                           .infer = infer_softmax,
                           .reference = reference_softmax,
                           .lower = lower_to_kernel,
                           .workspace = workspace_softmax};
  return op;
}

Value softmax(const In& x, std::int64_t axis) { return call(softmax_op(), {x}, {{"axis", axis}}); }
Pipe softmax(std::int64_t axis) { return pipe(softmax_op(), {}, {{"axis", axis}}); }

}  // namespace openinfer
