// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& rsqrt_op() {
  static const OpDef op = unary<kFloats>("rsqrt", [](auto x) {
    using std::sqrt;
    return decltype(x)(1) / sqrt(x);
  });
  return op;
}

Value rsqrt(const In& x) { return call(rsqrt_op(), {x}); }
Pipe rsqrt() { return pipe(rsqrt_op()); }

}  // namespace openinfer
