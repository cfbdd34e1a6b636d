// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& log1p_op() {
  static const OpDef op = unary<kFloats>("log1p", [](auto x) {
    using std::log1p;
    return log1p(x);
  });
  return op;
}

Value log1p(const In& x) { return call(log1p_op(), {x}); }
Pipe log1p() { return pipe(log1p_op()); }

}  // namespace openinfer
