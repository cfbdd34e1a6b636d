// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& sigmoid_op() {
  static const OpDef op = unary<kFloats>("sigmoid", [](auto x) {
    using std::exp;
    return decltype(x)(1) / (decltype(x)(1) + exp(-x));
  });
  return op;
}

Value sigmoid(const In& x) { return call(sigmoid_op(), {x}); }
Pipe sigmoid() { return pipe(sigmoid_op()); }

}  // namespace openinfer
