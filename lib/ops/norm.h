// SPDX-License-Identifier: Apache-2.0
// What rms_norm and layer_norm share: their checks and the walk over rows of the last dimension.
#pragma once

#include <functional>

#include "lib/base/dot.h"
#include "lib/ops/rows.h"

namespace openinfer {

/// Operand 0 is x (…, D), all others are (D). Errors: shape_mismatch [C1], dtype_mismatch [C2].
void check_norm(const InferContext& c);
Cost norm_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value);

/// A row in each thread, and operands 1 and on.
Workspace norm_workspace(const OpRun& run);

/// Loads each row of operand 0, lets f change it in place, and stores it as the result's row.
template <class C, class F>
void for_each_norm_row(OpRun& run, F f) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t D = x.shape.back();
  const std::int64_t rows = D == 0 ? 0 : x.count() / D;
  run.parallel_for(rows, row_grain(D), [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> row(static_cast<std::size_t>(D));
    for (std::int64_t r = begin; r < end; ++r) {
      load_row<C>(x, r * D, 1, row);
      f(std::span<C>(row));
      store_row<C>(y, r * D, 1, row);
    }
  });
}

}  // namespace openinfer
