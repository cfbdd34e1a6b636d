// SPDX-License-Identifier: Apache-2.0
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

/// ⌈length / step⌉ as a dimension, where every symbol's factor divides by the step.
Dim steps_in(const InferContext& c, const Dim& length, std::int64_t step) {
  Dim count = length.constant() / step + (length.constant() % step > 0 ? 1 : 0);
  for (const Dim::Term& t : length.terms()) {
    if (t.factor % step != 0)  // [C2]
      c.fail(ErrorCode::shape_mismatch,
             fmt::format("{} elements in steps of {} have no affine size", length.to_string(), step));
    count = count + Dim::symbol(t.symbol) * (t.factor / step);
  }
  return count;
}

std::vector<TensorType> infer_slice(const InferContext& c) {
  TensorType result = c.type(0);
  const std::int64_t step = c.integer("step");
  const Dim &begin = c.dim("begin"), &end = c.dim("end");
  Dim& extent = result.shape[axis_in(c, 0, c.integer("axis"))];                                       // [C1]
  if (step < 1) c.fail(ErrorCode::shape_mismatch, fmt::format("the step {} is not positive", step));  // [C2]
  const auto low = [&](const Dim& d) { return c.bounds(d).first; };
  if (low(begin) < 0 || low(end - begin) < 0 || low(extent - end) < 0)  // [C2]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{}..{} is not within 0..{} of {} {} for every value of the symbols", begin.to_string(),
                       end.to_string(), extent.to_string(), c.describe(0), to_string(c.type(0).shape)));
  extent = steps_in(c, end - begin, step);
  return {result};
}

void reference_slice(OpRun& run) {
  const TensorView x = run.in(0);
  const std::int64_t given = run.integer("axis");
  const auto axis = static_cast<std::size_t>(given < 0 ? given + std::ssize(x.shape) : given);
  auto steps = dense_steps(x.shape);
  const std::int64_t first = run.value(run.dim("begin")) * steps[axis];
  if (run.out(0).shape[axis] > 1) steps[axis] *= run.integer("step");  // of one element any step is, beyond 64 bits too
  copy_elements(run, x, first, steps, run.out(0));
}

Attributes attributes_slice(Range r) {
  return {{"axis", r.axis}, {"begin", r.begin}, {"end", r.end}, {"step", r.step}};
}

}  // namespace

const OpDef& slice_op() {
  static const OpDef op = {.name = "slice",
                           .operands = {{.name = "x"}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{0}},
                                          {"begin", AttributeKind::dim, Dim(0)},
                                          {"end", AttributeKind::dim},
                                          {"step", AttributeKind::integer, std::int64_t{1}}},
                           .traits = {.view = true},
                           .infer = infer_slice,
                           .reference = reference_slice,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value slice(const In& x, Range range) { return call(slice_op(), {x}, attributes_slice(std::move(range))); }
Pipe slice(Range range) { return pipe(slice_op(), {}, attributes_slice(std::move(range))); }

}  // namespace openinfer
