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

namespace openinfer {
namespace {

std::vector<TensorType> infer_log_softmax(const InferContext& c) {
  axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kFloats);        // [C2]
  return {c.type(0)};
}

template <class C>
void take_log_softmax(std::span<C> x) {
  C largest = x.empty() ? C(0) : x[0];
  for (const C value : x)
    if (largest < value || value != value) largest = value;
  for (C& value : x) value -= largest;
  const C log = std::log(sum16_of<C>(std::ssize(x), [&](std::int64_t i) { return std::exp(x[i]); }));
  for (C& value : x) value -= log;
}

std::vector<Value> decompose_log_softmax(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  const Attribute* given = attributes.find("axis");
  const Over over = {.axes = {given ? std::get<std::int64_t>(*given) : -1}, .keepdims = true};
  return computed_wide(operands, [&](const Value& x) {
    if (folds_nothing(x, over)) return x;  // there is no largest, and no element
    const Value below = x - max(x, over);
    return below - log(sum(exp(below), over));
  });
}

}  // namespace

const OpDef& log_softmax_op() {
  static const OpDef op = {.name = "log_softmax",
                           .operands = {{.name = "x"}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}},
                           .infer = infer_log_softmax,
                           .reference = [](OpRun& run) { change_rows(run, [](auto x) { take_log_softmax(x); }); },
                           .decompose = decompose_log_softmax,
                           .lower = lower_to_kernel,
                           .cost = row_cost<5>,
                           .workspace = row_workspace};
  return op;
}

Value log_softmax(const In& x, std::int64_t axis) { return call(log_softmax_op(), {x}, {{"axis", axis}}); }
Pipe log_softmax(std::int64_t axis) { return pipe(log_softmax_op(), {}, {{"axis", axis}}); }

}  // namespace openinfer
