// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/norm.h"

#include <fmt/format.h>

namespace openinfer {

void check_norm(const InferContext& c) {
  const Shape& x = c.type(0).shape;
  if (x.empty())
    c.fail(ErrorCode::shape_mismatch, fmt::format("{} is a scalar; a norm needs a last dimension", c.describe(0)));
  for (std::size_t i = 1; i < c.operand_count(); ++i)
    if (c.has(i) && c.type(i).shape != Shape{x.back()})  // [C1]
      c.fail(ErrorCode::shape_mismatch,
             fmt::format("{} {} is not {}, the last dimension of {} {}", c.describe(i), to_string(c.type(i).shape),
                         to_string(Shape{x.back()}), c.describe(0), to_string(x)));
  for (std::size_t i = 0; i < c.operand_count(); ++i)
    if (c.has(i)) check_dtype(c, i, kFloats);  // [C2]
}

Workspace norm_workspace(const OpRun& run) {
  const std::int64_t row = run.in(0).shape.back() * 8;
  std::int64_t shared = 0;
  for (std::size_t i = 1; i < run.operand_count(); ++i) shared += run.has(i) ? row : 0;
  return {.shared_bytes = shared, .per_thread_bytes = row};
}

Cost norm_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
  double elements = 1;
  for (const Dim& d : c.type(0).shape) elements *= static_cast<double>(value(d));
  double bytes = 2 * elements * info(c.type(0).dtype).block_bytes;
  for (std::size_t i = 1; i < c.operand_count(); ++i)
    if (c.has(i)) bytes += static_cast<double>(value(c.type(i).shape.front())) * info(c.type(i).dtype).block_bytes;
  return {bytes, (c.op().operands.size() > 2 ? 7 : 4) * elements};
}

}  // namespace openinfer
