// SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "lib/ops/power.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& pow_op() {
  static const OpDef op = binary<kFloats>("pow", [](auto a, auto b) {
    if constexpr (std::is_floating_point_v<decltype(a)>)
      return power(a, b);
    else
      return pow(a, b);
  });
  return op;
}

Value pow(const In& a, const In& b) { return call(pow_op(), {a, b}); }
Pipe pow(const In& b) { return pipe(pow_op(), {b}); }

}  // namespace openinfer
