// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/reduce.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer(const InferContext& c) {
  auto result = infer_reduction(c);  // [C1]
  check_dtype(c, 0, kNumbers);       // [C2]
  return result;
}

void reference(OpRun& run) { reduce<kNumbers, SumFold>(run); }

}  // namespace

const OpDef& sum_op() {
  static const OpDef op = {
      .name = "sum",
      .operands = {{.name = "x"}},
      .attributes = {{"axes", AttributeKind::dims, Shape{}}, {"keepdims", AttributeKind::boolean, false}},
      .traits = {.reduction = true},
      .infer = infer,
      .reference = reference,
      .lower = lower_to_kernel,
      .cost = reduction_cost};
  return op;
}

Value sum(const In& x, Over over) { return call(sum_op(), {x}, attributes_of(over)); }
Pipe sum(Over over) { return pipe(sum_op(), {}, attributes_of(over)); }

}  // namespace openinfer
