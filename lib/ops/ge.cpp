// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& ge_op() {
  static const OpDef op = comparison<kPlain>("ge", [](auto a, auto b) { return a >= b; });
  return op;
}

Value ge(const In& a, const In& b) { return call(ge_op(), {a, b}); }

}  // namespace openinfer
