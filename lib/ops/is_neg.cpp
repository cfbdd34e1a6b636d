// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& is_neg_op() {
  static const OpDef op = predicate<kFloats | kSigned>("is_neg", [](auto x) { return x < decltype(x){}; });
  return op;
}

Value is_neg(const In& x) { return call(is_neg_op(), {x}); }

}  // namespace openinfer
