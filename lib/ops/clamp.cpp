// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& clamp_op() {
  static const OpDef op = ternary<kNumbers>("clamp", [](auto x, auto low, auto high) {
    using scalar::select;
    const auto least = select(x < low || low != low, low, x);
    return select(high < least || high != high, high, least);
  });
  return op;
}

Value clamp(const In& x, const In& low, const In& high) { return call(clamp_op(), {x, low, high}); }
Pipe clamp(const In& low, const In& high) { return pipe(clamp_op(), {low, high}); }

}  // namespace openinfer
