// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& sign_op() {
  static const OpDef op = unary<kFloats | kSigned>("sign", [](auto x) {
    using scalar::select;
    using T = decltype(x);
    return select(x > T{}, T{1}, select(x < T{}, -T{1}, x));
  });
  return op;
}

Value sign(const In& x) { return call(sign_op(), {x}); }
Pipe sign() { return pipe(sign_op()); }

}  // namespace openinfer
