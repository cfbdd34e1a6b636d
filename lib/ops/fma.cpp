// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& fma_op() {
  static const OpDef op = ternary<kFloats>("fma", [](auto a, auto b, auto c) {
    using std::fma;
    return fma(a, b, c);
  });
  return op;
}

Value fma(const In& a, const In& b, const In& c) { return call(fma_op(), {a, b, c}); }

}  // namespace openinfer
