// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "lib/ops/rounding.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& round_op() {
  static const OpDef op = unary<kFloats>("round", [](auto x) {
    using scalar::round_even;
    return round_even(x);
  });
  return op;
}

Value round(const In& x) { return call(round_op(), {x}); }
Pipe round() { return pipe(round_op()); }

}  // namespace openinfer
