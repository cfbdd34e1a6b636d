// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& xor_op() {
  static const OpDef op =
      binary<kIntegers | kBool>("xor", [](auto a, auto b) { return decltype(a)(a ^ b); }, {.commutative = true});
  return op;
}

Value xor_(const In& a, const In& b) { return call(xor_op(), {a, b}); }

}  // namespace openinfer
