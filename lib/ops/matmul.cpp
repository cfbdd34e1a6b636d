// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/product.h"
#include "openinfer/ops.h"

namespace openinfer {

const OpDef& matmul_op() {
  static const OpDef op = {
      .name = "matmul",
      .operands = {{.name = "x"}, {.name = "w", .stored = true}},
      .attributes = {{"transpose_w", AttributeKind::boolean, false}},
      .infer = [](const InferContext& c) { return std::vector{infer_product(c, c.flag("transpose_w"))}; },
      .reference = [](OpRun& run) { run_product(run, run.flag("transpose_w"), 0); },
      .lower = lower_to_kernel,
      .cost =
          [](const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
            return product_cost(c, value, c.flag("transpose_w"));
          },
      .workspace = [](const OpRun& run) { return product_workspace(run, run.flag("transpose_w"), 0); },
  };
  return op;
}

Value matmul(const In& x, const In& w, MatmulOptions options) {
  Attributes attributes;
  if (options.transpose_w) attributes.set("transpose_w", true);
  return call(matmul_op(), {x, w}, std::move(attributes));
}
Pipe matmul(const In& w) { return pipe(matmul_op(), {w}); }

}  // namespace openinfer
