// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& recip_op() {
  static const OpDef op = unary<kFloats>("recip", [](auto x) { return decltype(x)(1) / x; });
  return op;
}

Value recip(const In& x) { return call(recip_op(), {x}); }
Pipe recip() { return pipe(recip_op()); }

}  // namespace openinfer
