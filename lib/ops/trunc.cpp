// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& trunc_op() {
  static const OpDef op = unary<kFloats>("trunc", [](auto x) {
    using scalar::select;
    using std::floor;
    return select(x < decltype(x)(0), -floor(-x), floor(x));
  });
  return op;
}

Value trunc(const In& x) { return call(trunc_op(), {x}); }
Pipe trunc() { return pipe(trunc_op()); }

}  // namespace openinfer
