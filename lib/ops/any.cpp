// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/truth.h"

namespace openinfer {
namespace {

std::vector<Value> decompose_any(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  return {ne(sum(cast(*operands[0], DType::i32), over_of(attributes)), 0)};
}

}  // namespace

const OpDef& any_op() {
  static const OpDef op = [] {
    OpDef any = reduction("any", infer_reduction<kBool>, reference_truth<true>);
    any.decompose = decompose_any;
    return any;
  }();
  return op;
}

Value any(const In& x, Over over) { return call(any_op(), {x}, attributes_of(over)); }
Pipe any(Over over) { return pipe(any_op(), {}, attributes_of(over)); }

}  // namespace openinfer
