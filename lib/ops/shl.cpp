// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "lib/ops/shift.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& shl_op() {
  static const OpDef op = binary<kIntegers>("shl", [](auto x, auto amount) { return shifted_left(x, amount); });
  return op;
}

Value shl(const In& x, const In& amount) { return call(shl_op(), {x, amount}); }
Pipe shl(const In& amount) { return pipe(shl_op(), {amount}); }

}  // namespace openinfer
