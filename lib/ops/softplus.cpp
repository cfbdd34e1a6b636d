// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& softplus_op() {
  static const OpDef op = unary<kFloats>("softplus", [](auto x) {
    using scalar::select;
    using std::abs;
    using std::exp;
    using std::log1p;
    using T = decltype(x);
    return select(x > T(0), x, T(0)) + log1p(exp(-abs(x)));
  });
  return op;
}

Value softplus(const In& x) { return call(softplus_op(), {x}); }
Pipe softplus() { return pipe(softplus_op()); }

}  // namespace openinfer
