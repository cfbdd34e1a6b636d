// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_select(const InferContext& c) {
  if (c.type(0).dtype != DType::boolean)  // [C1]
    c.fail(ErrorCode::dtype_mismatch,
           fmt::format("the condition must be bool, not {} {}", c.describe(0), c.type(0).to_string()));
  check_dtype(c, 1, kPlain);                     // [C2]
  check_equal_dtypes(c, 1, 2);                   // [C2]
  Shape shape = broadcast_shapes(c, {0, 1, 2});  // [C3]
  return {{c.type(1).dtype, std::move(shape)}};
}

constexpr auto kChoose = [](auto condition, auto a, auto b) {
  using scalar::select;
  return select(condition, a, b);
};

}  // namespace

const OpDef& select_op() {
  static const OpDef op = {.name = "select",
                           .operands = {{.name = "condition", .shares_dtype = false}, {.name = "a"}, {.name = "b"}},
                           .traits = {.elementwise = true},
                           .infer = infer_select,
                           .reference = elementwise::reference_ternary<kPlain, true, decltype(kChoose)>,
                           .lower = elementwise::lower<3, decltype(kChoose)>,
                           .cost = elementwise::cost<3>};
  return op;
}

Value select(const In& condition, const In& a, const In& b) { return call(select_op(), {condition, a, b}); }

}  // namespace openinfer
