// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& mul_op() {
  static const OpDef op =
      binary<kNumbers>("mul", [](auto a, auto b) { return a * b; }, {.symbol = "*", .commutative = true});
  return op;
}

Value mul(const In& a, const In& b) { return call(mul_op(), {a, b}); }
Pipe mul(const In& b) { return pipe(mul_op(), {b}); }
Value operator*(const Value& a, const In& b) { return mul(beside(a, b), b); }

}  // namespace openinfer
