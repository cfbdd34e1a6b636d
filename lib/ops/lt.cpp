// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& lt_op() {
  static const OpDef op = comparison<kPlain>("lt", [](auto a, auto b) { return a < b; });
  return op;
}

Value lt(const In& a, const In& b) { return call(lt_op(), {a, b}); }

}  // namespace openinfer
