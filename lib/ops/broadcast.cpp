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

std::vector<TensorType> infer_broadcast(const InferContext& c) {
  const Shape& x = c.type(0).shape;
  const Shape& to = c.dims("shape");
  check_extents(c, to);       // [C2]
  if (!broadcasts_to(x, to))  // [C1]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} does not broadcast to {}", c.describe(0), to_string(x), to_string(to)));
  return {{c.type(0).dtype, to}};
}

void reference_broadcast(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan out = run.out(0);
  const auto dense = dense_steps(x.shape);
  std::vector<std::int64_t> steps(out.shape.size(), 0);
  const std::size_t leading = out.shape.size() - x.shape.size();
  for (std::size_t d = 0; d < x.shape.size(); ++d)
    if (x.shape[d] != 1) steps[leading + d] = dense[d];
  copy_elements(run, x, 0, steps, out);
}

}  // namespace

const OpDef& broadcast_op() {
  static const OpDef op = {.name = "broadcast",
                           .operands = {{.name = "x"}},
                           .attributes = {{"shape", AttributeKind::dims}},
                           .traits = {.view = true},
                           .infer = infer_broadcast,
                           .reference = reference_broadcast,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value broadcast(const In& x, Shape shape) { return call(broadcast_op(), {x}, {{"shape", std::move(shape)}}); }

}  // namespace openinfer
