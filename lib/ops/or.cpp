// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& or_op() {
  static const OpDef op =
      binary<kIntegers | kBool>("or", [](auto a, auto b) { return decltype(a)(a | b); }, {.commutative = true});
  return op;
}

Value or_(const In& a, const In& b) { return call(or_op(), {a, b}); }

}  // namespace openinfer
