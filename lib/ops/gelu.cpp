// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& gelu_op() {
  static const OpDef op = unary<kFloats>("gelu", [](auto x) {
    using std::erf;
    using T = decltype(x);
    return T(0.5) * x * (T(1) + erf(x * T(std::numbers::sqrt2 / 2)));
  });
  return op;
}

Value gelu(const In& x) { return call(gelu_op(), {x}); }
Pipe gelu() { return pipe(gelu_op()); }

}  // namespace openinfer
