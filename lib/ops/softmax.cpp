// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/base/dot.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/shapes.h"
#include "lib/ops/wide.h"
#include "lib/ops/workspace.h"
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
  change_rows(run, [](auto x) { normalise_softmax(x); });
}

}  // namespace

const OpDef& softmax_op() {
  static const OpDef op = {.name = "softmax",
                           .operands = {{.name = "x"}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}},
                           .infer = infer_softmax,
                           .reference = reference_softmax,
                           .lower = lower_to_kernel,
                           .cost = row_cost<5>,
                           .workspace = row_workspace};
  return op;
}

Value softmax(const In& x, std::int64_t axis) { return call(softmax_op(), {x}, {{"axis", axis}}); }
Pipe softmax(std::int64_t axis) { return pipe(softmax_op(), {}, {{"axis", axis}}); }

}  // namespace openinfer
