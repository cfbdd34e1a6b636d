// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/truth.h"

namespace openinfer {
namespace {

std::vector<Value> decompose_all(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  return {eq(sum(cast(not_(*operands[0]), DType::i32), over_of(attributes)), 0)};
}

}  // namespace

const OpDef& all_op() {
  static const OpDef op = [] {
    OpDef all = reduction("all", infer_reduction<kBool>, reference_truth<false>);
    all.decompose = decompose_all;
    return all;
  }();
  return op;
}

Value all(const In& x, Over over) { return call(all_op(), {x}, attributes_of(over)); }
Pipe all(Over over) { return pipe(all_op(), {}, attributes_of(over)); }

}  // namespace openinfer
