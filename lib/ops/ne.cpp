// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& ne_op() {
  static const OpDef op = comparison<kPlain>("ne", [](auto a, auto b) { return a != b; }, {.commutative = true});
  return op;
}

Value ne(const In& a, const In& b) { return call(ne_op(), {a, b}); }

}  // namespace openinfer
