// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& silu_op() {
  static const OpDef op = unary<kFloats>("silu", [](auto x) {
    using std::exp;
    return x / (decltype(x)(1) + exp(-x));
  });
  return op;
}

Value silu(const In& x) { return call(silu_op(), {x}); }
Pipe silu() { return pipe(silu_op()); }

}  // namespace openinfer
