// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& eq_op() {
  static const OpDef op = comparison<kPlain>("eq", [](auto a, auto b) { return a == b; }, {.commutative = true});
  return op;
}

Value eq(const In& a, const In& b) { return call(eq_op(), {a, b}); }

}  // namespace openinfer
