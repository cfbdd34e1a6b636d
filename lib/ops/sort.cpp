// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/lower.h"
#include "lib/ops/order.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/shapes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_sort(const InferContext& c) {
  axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kNumbers);       // [C2]
  return {c.type(0), {i32, c.type(0).shape}};
}

void reference_sort(OpRun& run) { take_in_order(run, run.flag("descending")); }

std::vector<Value> results_of_sort(const In& x, Sort options) {
  return apply(sort_op(), {x}, {{"axis", options.axis}, {"descending", options.descending}}, {}, x.at());
}

}  // namespace

const OpDef& sort_op() {
  static const OpDef op = {
      .name = "sort",
      .operands = {{.name = "x"}},
      .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}, {"descending", AttributeKind::boolean, false}},
      .infer = infer_sort,
      .reference = reference_sort,
      .lower = lower_to_kernel,
      .cost = order_cost,
      .workspace = order_workspace};
  return op;
}

std::tuple<Value, Value> sort(const In& x, Sort options) {
  const auto results = results_of_sort(x, options);
  return {results[0], results[1]};
}
Value argsort(const In& x, Sort options) { return results_of_sort(x, options)[1]; }

}  // namespace openinfer
