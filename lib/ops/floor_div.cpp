// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "lib/ops/floor_divided.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& floor_div_op() {
  static const OpDef op = binary<kNumbers>("floor_div", [](auto a, auto b) { return floor_divided(a, b).quotient; });
  return op;
}

Value floor_div(const In& a, const In& b) { return call(floor_div_op(), {a, b}); }
Pipe floor_div(const In& b) { return pipe(floor_div_op(), {b}); }

}  // namespace openinfer
