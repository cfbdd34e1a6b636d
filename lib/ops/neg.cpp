// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& neg_op() {
  static const OpDef op = unary<kFloats | kSigned>("neg", [](auto x) { return -x; });
  return op;
}

Value neg(const In& x) { return call(neg_op(), {x}); }
Pipe neg() { return pipe(neg_op()); }
Value operator-(const In& x) { return neg(x); }

}  // namespace openinfer
