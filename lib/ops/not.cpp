// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& not_op() {
  static const OpDef op = unary<kIntegers | kBool>("not", [](auto x) {
    if constexpr (std::is_same_v<decltype(x), bool>)
      return !x;
    else
      return ~x;
  });
  return op;
}

Value not_(const In& x) { return call(not_op(), {x}); }

}  // namespace openinfer
