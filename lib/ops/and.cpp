// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& and_op() {
  static const OpDef op =
      binary<kIntegers | kBool>("and", [](auto a, auto b) { return decltype(a)(a & b); }, {.commutative = true});
  return op;
}

Value and_(const In& a, const In& b) { return call(and_op(), {a, b}); }

}  // namespace openinfer
