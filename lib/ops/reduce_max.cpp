// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/extreme.h"

namespace openinfer {

const OpDef& reduce_max_op() {
  static const OpDef op = reduction("reduce_max", infer_reduction<kNumbers>, reference_extreme<true>);
  return op;
}

Value max(const In& x, Over over) { return call(reduce_max_op(), {x}, attributes_of(over)); }

}  // namespace openinfer
