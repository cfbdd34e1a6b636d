// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/workspace.h"

namespace openinfer {

Workspace row_workspace(const OpRun& run) {
  const TensorView x = run.in(0);
  const std::int64_t axis = run.integer("axis");
  const std::int64_t extent = x.shape[static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis)];
  return {.per_thread_bytes = extent * (x.dtype == DType::f64 ? 8 : 4)};
}

}  // namespace openinfer
