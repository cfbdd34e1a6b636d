// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/move.h"
#include "lib/ops/shapes.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// The order with the default, the last two swapped, filled in.
std::vector<std::int64_t> complete(std::vector<std::int64_t> order, std::size_t rank) {
  if (!order.empty() || rank < 2) return order;
  order.resize(rank);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::swap(order[rank - 2], order[rank - 1]);
  return order;
}

std::vector<TensorType> infer_transpose(const InferContext& c) {
  const TensorType& x = c.type(0);
  const auto given = numbers(c, "order");
  const auto order = complete(given, x.shape.size());
  std::vector<std::int64_t> sorted(order);
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size() || i < x.shape.size(); ++i)
    if (sorted.size() != x.shape.size() || sorted[i] != static_cast<std::int64_t>(i))  // [C1]
      c.fail(ErrorCode::shape_mismatch,
             fmt::format("[{}] is no order of the {} dimensions of {} {}", fmt::join(given, ", "), x.shape.size(),
                         c.describe(0), to_string(x.shape)));
  TensorType result{x.dtype, {}};
  for (std::int64_t d : order) result.shape.push_back(x.shape[static_cast<std::size_t>(d)]);
  return {result};
}

void reference_transpose(OpRun& run) {
  const TensorView x = run.in(0);
  std::vector<std::int64_t> given;
  for (const Dim& d : run.dims("order")) given.push_back(d.constant());
  const auto dense = dense_steps(x.shape);
  std::vector<std::int64_t> steps;
  for (std::int64_t d : complete(given, x.shape.size())) steps.push_back(dense[static_cast<std::size_t>(d)]);
  copy_elements(run, x, 0, steps, run.out(0));
}

Attributes attributes_transpose(const std::vector<std::int64_t>& order) {
  return {{"order", Shape(order.begin(), order.end())}};
}

}  // namespace

const OpDef& transpose_op() {
  static const OpDef op = {.name = "transpose",
                           .operands = {{.name = "x"}},
                           .attributes = {{"order", AttributeKind::dims, Shape{}}},
                           .traits = {.view = true},
                           .infer = infer_transpose,
                           .reference = reference_transpose,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value transpose(const In& x, std::vector<std::int64_t> order) {
  return call(transpose_op(), {x}, attributes_transpose(order));
}
Pipe transpose(std::vector<std::int64_t> order) { return pipe(transpose_op(), {}, attributes_transpose(order)); }

}  // namespace openinfer
