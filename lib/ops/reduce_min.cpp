// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/extreme.h"

namespace openinfer {

const OpDef& reduce_min_op() {
  static const OpDef op = reduction("reduce_min", infer_reduction<kNumbers>, reference_extreme<false>);
  return op;
}

Value min(const In& x, Over over) { return call(reduce_min_op(), {x}, attributes_of(over)); }

}  // namespace openinfer
