// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& ceil_op() {
  static const OpDef op = unary<kFloats>("ceil", [](auto x) {
    using std::floor;
    return -floor(-x);
  });
  return op;
}

Value ceil(const In& x) { return call(ceil_op(), {x}); }
Pipe ceil() { return pipe(ceil_op()); }

}  // namespace openinfer
