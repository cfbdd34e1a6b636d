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

constexpr double kL2NormEps = 1e-12;

std::vector<TensorType> infer_l2_norm(const InferContext& c) {
  axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kFloats);        // [C2]
  return {c.type(0)};
}

void reference_l2_norm(OpRun& run) {
  change_rows(run, [&]<class C>(std::span<C> x) {
    const C eps = static_cast<C>(run.number("eps"));
    const C norm = std::sqrt(sum16_of<C>(std::ssize(x), [&](std::int64_t i) { return x[i] * x[i]; }));
    const C divisor = norm < eps ? eps : norm;
    for (C& value : x) value = value / divisor;
  });
}

std::vector<Value> decompose_l2_norm(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  const Attribute *axis = attributes.find("axis"), *eps = attributes.find("eps");
  const Over over = {.axes = {axis ? std::get<std::int64_t>(*axis) : -1}, .keepdims = true};
  return computed_wide(operands, [&](const Value& x) {
    const Value norm = sqrt(sum(x * x, over));
    return x / max(norm, eps ? std::get<double>(*eps) : kL2NormEps);
  });
}

}  // namespace

const OpDef& l2_norm_op() {
  static const OpDef op = {
      .name = "l2_norm",
      .operands = {{.name = "x"}},
      .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}}, {"eps", AttributeKind::number, kL2NormEps}},
      .infer = infer_l2_norm,
      .reference = reference_l2_norm,
      .decompose = decompose_l2_norm,
      .lower = lower_to_kernel,
      .cost = row_cost<3>,
      .workspace = row_workspace};
  return op;
}

Value l2_norm(const In& x, std::int64_t axis, double eps) {
  return call(l2_norm_op(), {x}, {{"axis", axis}, {"eps", eps}});
}
Pipe l2_norm(std::int64_t axis, double eps) { return pipe(l2_norm_op(), {}, {{"axis", axis}, {"eps", eps}}); }

}  // namespace openinfer
