// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& is_finite_op() {
  static const OpDef op = predicate<kFloats>("is_finite", [](auto x) {
    using std::abs;
    return abs(x) < decltype(x)(std::numeric_limits<double>::infinity());
  });
  return op;
}

Value is_finite(const In& x) { return call(is_finite_op(), {x}); }

}  // namespace openinfer
