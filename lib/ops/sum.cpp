// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/reduce.h"

namespace openinfer {

const OpDef& sum_op() {
  static const OpDef op = reduction("sum", infer_reduction<kNumbers>, reduce<kNumbers, SumFold>);
  return op;
}

Value sum(const In& x, Over over) { return call(sum_op(), {x}, attributes_of(over)); }
Pipe sum(Over over) { return pipe(sum_op(), {}, attributes_of(over)); }

}  // namespace openinfer
