// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& max_op() {
  static const OpDef op = binary<kNumbers>("max",
                                           [](auto a, auto b) {
                                             using scalar::select;
                                             return select(a < b || b != b, b, a);
                                           },
                                           {.commutative = true});
  return op;
}

Value max(const In& a, const In& b) { return call(max_op(), {a, b}); }
Pipe max(const In& b) { return pipe(max_op(), {b}); }

}  // namespace openinfer
