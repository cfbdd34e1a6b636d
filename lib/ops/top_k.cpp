// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

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

std::vector<TensorType> infer_top_k(const InferContext& c) {
  TensorType values = c.type(0);
  Dim& extent = values.shape[axis_in(c, 0, c.integer("axis"))];  // [C1]
  check_dtype(c, 0, kNumbers);                                   // [C2]
  const std::int64_t k = c.integer("k"), least = c.bounds(extent).first;
  if (k < 1 || k > least)  // [C3]
    c.fail(ErrorCode::shape_mismatch, fmt::format("the {} largest of {} elements, at least {}, of {} {}", k,
                                                  extent.to_string(), least, c.describe(0), to_string(values.shape)));
  extent = k;
  return {values, {i32, values.shape}};
}

void reference_top_k(OpRun& run) { take_in_order(run, true); }

}  // namespace

const OpDef& top_k_op() {
  static const OpDef op = {
      .name = "top_k",
      .operands = {{.name = "x"}},
      .attributes = {{"k", AttributeKind::integer}, {"axis", AttributeKind::integer, std::int64_t{-1}}},
      .infer = infer_top_k,
      .reference = reference_top_k,
      .lower = lower_to_kernel,
      .cost = order_cost,
      .workspace = order_workspace};
  return op;
}

std::tuple<Value, Value> top_k(const In& x, std::int64_t k, std::int64_t axis) {
  const auto results = apply(top_k_op(), {x}, {{"k", k}, {"axis", axis}}, {}, x.at());
  return {results[0], results[1]};
}

}  // namespace openinfer
