// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& sin_op() {
  static const OpDef op = unary<kFloats>("sin", [](auto x) {
    using std::sin;
    return sin(x);
  });
  return op;
}

Value sin(const In& x) { return call(sin_op(), {x}); }
Pipe sin() { return pipe(sin_op()); }

}  // namespace openinfer
