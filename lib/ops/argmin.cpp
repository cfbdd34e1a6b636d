// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/extreme.h"

namespace openinfer {

const OpDef& argmin_op() {
  static const OpDef op = place_of_extreme("argmin", false);
  return op;
}

Value argmin(const In& x, std::int64_t axis, bool keepdims, bool select_first) {
  return call(argmin_op(), {x}, {{"axis", axis}, {"keepdims", keepdims}, {"select_first", select_first}});
}

}  // namespace openinfer
