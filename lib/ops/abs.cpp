// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& abs_op() {
  static const OpDef op = unary<kFloats | kSigned>("abs", [](auto x) {
    using std::abs;
    return abs(x);
  });
  return op;
}

Value abs(const In& x) { return call(abs_op(), {x}); }
Pipe abs() { return pipe(abs_op()); }

}  // namespace openinfer
