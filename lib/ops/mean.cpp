// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/reduce.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer(const InferContext& c) {
  auto result = infer_reduction(c);  // [C1]
  check_dtype(c, 0, kFloats);        // [C2]
  return result;
}

template <class C>
struct MeanFold : SumFold<C> {
  C result(std::int64_t count) { return SumFold<C>::result(count) / static_cast<C>(count); }
};

void reference(OpRun& run) { reduce<kFloats, MeanFold>(run); }

}  // namespace

const OpDef& mean_op() {
  static const OpDef op = {
      .name = "mean",
      .operands = {{.name = "x"}},
      .attributes = {{"axes", AttributeKind::dims, Shape{}}, {"keepdims", AttributeKind::boolean, false}},
      .traits = {.reduction = true},
      .infer = infer,
      .reference = reference,
      .lower = lower_to_kernel,
      .cost = reduction_cost};
  return op;
}

Value mean(const In& x, Over over) { return call(mean_op(), {x}, attributes_of(over)); }
Pipe mean(Over over) { return pipe(mean_op(), {}, attributes_of(over)); }

}  // namespace openinfer
