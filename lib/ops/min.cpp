// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& min_op() {
  static const OpDef op = binary<kNumbers>("min",
                                           [](auto a, auto b) {
                                             using scalar::select;
                                             return select(b < a || b != b, b, a);
                                           },
                                           {.commutative = true});
  return op;
}

Value min(const In& a, const In& b) { return call(min_op(), {a, b}); }
Pipe min(const In& b) { return pipe(min_op(), {b}); }

}  // namespace openinfer
