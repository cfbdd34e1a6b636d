// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& sqrt_op() {
  static const OpDef op = unary<kFloats>("sqrt", [](auto x) {
    using std::sqrt;
    return sqrt(x);
  });
  return op;
}

Value sqrt(const In& x) { return call(sqrt_op(), {x}); }
Pipe sqrt() { return pipe(sqrt_op()); }

}  // namespace openinfer
