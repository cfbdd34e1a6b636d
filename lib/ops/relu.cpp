// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& relu_op() {
  static const OpDef op = unary<kFloats | kSigned>("relu", [](auto x) {
    using scalar::select;
    const decltype(x) zero{};
    return select(x < zero, zero, x);
  });
  return op;
}

Value relu(const In& x) { return call(relu_op(), {x}); }
Pipe relu() { return pipe(relu_op()); }

}  // namespace openinfer
