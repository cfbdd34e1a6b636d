// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "lib/ops/floor_divided.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& rem_op() {
  static const OpDef op = binary<kNumbers>("rem", [](auto a, auto b) { return floor_divided(a, b).remainder; });
  return op;
}

Value rem(const In& a, const In& b) { return call(rem_op(), {a, b}); }
Pipe rem(const In& b) { return pipe(rem_op(), {b}); }

}  // namespace openinfer
