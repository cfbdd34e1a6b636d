// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& tanh_op() {
  static const OpDef op = unary<kFloats>("tanh", [](auto x) {
    using std::tanh;
    return tanh(x);
  });
  return op;
}

Value tanh(const In& x) { return call(tanh_op(), {x}); }
Pipe tanh() { return pipe(tanh_op()); }

}  // namespace openinfer
