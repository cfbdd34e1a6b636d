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

std::vector<TensorType> infer_flip(const InferContext& c) {
  std::vector<bool> flipped(c.type(0).shape.size(), false);
  for (const std::int64_t given : numbers(c, "axes")) {
    const std::size_t axis = axis_in(c, 0, given);  // [C1]
    if (flipped[axis])                              // [C1]
      c.fail(ErrorCode::invalid_argument,
             fmt::format("axis {} of {} {} is named twice", given, c.describe(0), to_string(c.type(0).shape)));
    flipped[axis] = true;
  }
  return {c.type(0)};
}

void reference_flip(OpRun& run) {
  const TensorView x = run.in(0);
  auto steps = dense_steps(x.shape);
  std::int64_t first = 0;
  for (const Dim& given : run.dims("axes")) {
    const std::int64_t d = given.constant();
    const auto axis = static_cast<std::size_t>(d < 0 ? d + std::ssize(x.shape) : d);
    if (x.count() > 0) first += (x.shape[axis] - 1) * steps[axis];
    steps[axis] = -steps[axis];
  }
  copy_elements(run, x, first, steps, run.out(0));
}

Attributes attributes_flip(const std::vector<std::int64_t>& axes) {
  return {{"axes", Shape(axes.begin(), axes.end())}};
}

}  // namespace

const OpDef& flip_op() {
  static const OpDef op = {.name = "flip",
                           .operands = {{.name = "x"}},
                           .attributes = {{"axes", AttributeKind::dims}},
                           .traits = {.view = true},
                           .infer = infer_flip,
                           .reference = reference_flip,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value flip(const In& x, std::vector<std::int64_t> axes) { return call(flip_op(), {x}, attributes_flip(axes)); }
Pipe flip(std::vector<std::int64_t> axes) { return pipe(flip_op(), {}, attributes_flip(axes)); }

}  // namespace openinfer
