// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& erf_op() {
  static const OpDef op = unary<kFloats>("erf", [](auto x) {
    using std::erf;
    return erf(x);
  });
  return op;
}

Value erf(const In& x) { return call(erf_op(), {x}); }
Pipe erf() { return pipe(erf_op()); }

}  // namespace openinfer
