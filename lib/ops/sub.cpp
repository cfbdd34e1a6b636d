// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& sub_op() {
  static const OpDef op = binary<kNumbers>("sub", [](auto a, auto b) { return a - b; }, {.symbol = "-"});
  return op;
}

Value sub(const In& a, const In& b) { return call(sub_op(), {a, b}); }
Pipe sub(const In& b) { return pipe(sub_op(), {b}); }
Value operator-(const Value& a, const In& b) { return sub(beside(a, b), b); }

}  // namespace openinfer
