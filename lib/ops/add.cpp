// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& add_op() {
  static const OpDef op =
      binary<kNumbers>("add", [](auto a, auto b) { return a + b; }, {.symbol = "+", .commutative = true});
  return op;
}

Value add(const In& a, const In& b) { return call(add_op(), {a, b}); }
Pipe add(const In& b) { return pipe(add_op(), {b}); }
Value operator+(const Value& a, const In& b) { return add(beside(a, b), b); }

}  // namespace openinfer
