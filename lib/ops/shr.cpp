// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "lib/ops/shift.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& shr_op() {
  static const OpDef op = binary<kIntegers>("shr", [](auto x, auto amount) { return shifted_right(x, amount); });
  return op;
}

Value shr(const In& x, const In& amount) { return call(shr_op(), {x, amount}); }
Pipe shr(const In& amount) { return pipe(shr_op(), {amount}); }

}  // namespace openinfer
