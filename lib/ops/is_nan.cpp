// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& is_nan_op() {
  static const OpDef op = predicate<kFloats>("is_nan", [](auto x) { return x != x; });
  return op;
}

Value is_nan(const In& x) { return call(is_nan_op(), {x}); }

}  // namespace openinfer
