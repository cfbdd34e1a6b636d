// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& exp_op() {
  static const OpDef op = unary<kFloats>("exp", [](auto x) {
    using std::exp;
    return exp(x);
  });
  return op;
}

Value exp(const In& x) { return call(exp_op(), {x}); }
Pipe exp() { return pipe(exp_op()); }

}  // namespace openinfer
