// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& gelu_tanh_op() {
  // 0.7978… = √(2/π)
  static const OpDef op = unary<kFloats>("gelu_tanh", [](auto x) {
    using std::tanh;
    using T = decltype(x);
    const T cubed = x * x * x;
    return T(0.5) * x * (T(1) + tanh(T(0.79788456080286536) * (x + T(0.044715) * cubed)));
  });
  return op;
}

Value gelu_tanh(const In& x) { return call(gelu_tanh_op(), {x}); }
Pipe gelu_tanh() { return pipe(gelu_tanh_op()); }

}  // namespace openinfer
