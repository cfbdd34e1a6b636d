// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& gt_op() {
  static const OpDef op = comparison<kPlain>("gt", [](auto a, auto b) { return a > b; });
  return op;
}

Value gt(const In& a, const In& b) { return call(gt_op(), {a, b}); }

}  // namespace openinfer
