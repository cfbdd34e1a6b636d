// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& floor_op() {
  static const OpDef op = unary<kFloats>("floor", [](auto x) {
    using std::floor;
    return floor(x);
  });
  return op;
}

Value floor(const In& x) { return call(floor_op(), {x}); }
Pipe floor() { return pipe(floor_op()); }

}  // namespace openinfer
