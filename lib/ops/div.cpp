// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& div_op() {
  static const OpDef op = binary<kFloats>("div", [](auto a, auto b) { return a / b; }, {.symbol = "/"});
  return op;
}

Value div(const In& a, const In& b) { return call(div_op(), {a, b}); }
Pipe div(const In& b) { return pipe(div_op(), {b}); }
Value operator/(const Value& a, const In& b) { return div(beside(a, b), b); }

}  // namespace openinfer
