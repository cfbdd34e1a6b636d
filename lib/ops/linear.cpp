// SPDX-License-Identifier: Apache-2.0
// The sum of the product and the bias is rounded once to the result's dtype.
#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/lower.h"
#include "lib/ops/product.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_linear(const InferContext& c) {
  const TensorType& w = c.type(1);
  if (w.shape.size() != 2)  // [C3]
    c.fail(ErrorCode::shape_mismatch, fmt::format("takes w (K, N), not {} {}", c.describe(1), to_string(w.shape)));
  const TensorType result = infer_product(c, false);
  if (c.type(2).shape != Shape{w.shape[1]})  // [C4]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("the bias {} {} is not {}, the columns of {} {}", c.describe(2), to_string(c.type(2).shape),
                       to_string(Shape{w.shape[1]}), c.describe(1), to_string(w.shape)));
  check_dtype(c, 2, kFloats);  // [C2]
  return {result};
}

/// The product, rounded to x's dtype, plus the bias: the same bits where sums are made in that dtype. In f16 and bf16
/// there would be a rounding more: there linear stays what it is.
std::vector<Value> decompose(const std::vector<OptionalIn>& operands, const Attributes&) {
  const DType dtype = std::get<Value>(operands[0]->operand()).dtype();
  if (dtype != DType::f32 && dtype != DType::f64) return {};
  const Value product = matmul(*operands[0], *operands[1]);  // in this order whatever the compiler
  return {product + cast(*operands[2], dtype)};
}

}  // namespace

const OpDef& linear_op() {
  static const OpDef op = {
      .name = "linear",
      .operands = {{.name = "x"}, {.name = "w", .stored = true}, {.name = "b"}},
      .infer = infer_linear,
      .reference = [](OpRun& run) { run_product(run, false, 2); },
      .decompose = decompose,
      .lower = lower_to_kernel,
      .cost = [](const InferContext& c,
                 const std::function<std::int64_t(const Dim&)>& value) { return product_cost(c, value, false); },
      .workspace = [](const OpRun& run) { return product_workspace(run, false, 2); }};
  return op;
}

Value linear(const In& x, const In& w, const In& b) { return call(linear_op(), {x, w, b}); }
Pipe linear(const In& w, const In& b) { return pipe(linear_op(), {w, b}); }

}  // namespace openinfer
