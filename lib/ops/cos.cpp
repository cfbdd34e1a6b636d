// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& cos_op() {
  static const OpDef op = unary<kFloats>("cos", [](auto x) {
    using std::cos;
    return cos(x);
  });
  return op;
}

Value cos(const In& x) { return call(cos_op(), {x}); }
Pipe cos() { return pipe(cos_op()); }

}  // namespace openinfer
