// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& expm1_op() {
  static const OpDef op = unary<kFloats>("expm1", [](auto x) {
    using std::expm1;
    return expm1(x);
  });
  return op;
}

Value expm1(const In& x) { return call(expm1_op(), {x}); }
Pipe expm1() { return pipe(expm1_op()); }

}  // namespace openinfer
