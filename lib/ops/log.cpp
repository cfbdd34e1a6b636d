// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& log_op() {
  static const OpDef op = unary<kFloats>("log", [](auto x) {
    using std::log;
    return log(x);
  });
  return op;
}

Value log(const In& x) { return call(log_op(), {x}); }
Pipe log() { return pipe(log_op()); }

}  // namespace openinfer
