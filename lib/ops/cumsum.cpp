// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_cumsum(const InferContext& c) {
  axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kNumbers);       // [C2]
  return {c.type(0)};
}

void reference_cumsum(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t axis = run.integer("axis");
  const AxisRows rows(x.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis));
  dispatch<kNumbers>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    run.parallel_for(rows.count(), row_grain(rows.extent), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        ComputeOf<T> sum = {};
        for (std::int64_t i = 0; i < rows.extent; ++i) {
          const std::int64_t at = rows.first(r) + i * rows.inner;
          sum = sum + Element<T>::load(x.as<T>()[at]);
          y.as<T>()[at] = Element<T>::store(sum);
        }
      }
    });
  });
}

}  // namespace

const OpDef& cumsum_op() {
  static const OpDef op = {.name = "cumsum",
                           .operands = {{.name = "x"}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}},
                           .infer = infer_cumsum,
                           .reference = reference_cumsum,
                           .lower = lower_to_kernel,
                           .cost = row_cost<1>,
                           .workspace = no_workspace};
  return op;
}

Value cumsum(const In& x, std::int64_t axis) { return call(cumsum_op(), {x}, {{"axis", axis}}); }
Pipe cumsum(std::int64_t axis) { return pipe(cumsum_op(), {}, {{"axis", axis}}); }

}  // namespace openinfer
