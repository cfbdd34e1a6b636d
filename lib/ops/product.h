// SPDX-License-Identifier: Apache-2.0
// The product of activations with a stored matrix: what matmul and linear share.
#pragma once

#include <cstdint>
#include <vector>

#include "openinfer/op_def.h"

namespace openinfer {

/// The result's type. Errors: shape_mismatch [C1] K differs, [C3] ranks or leading dimensions; dtype_mismatch [C2].
TensorType infer_product(const InferContext& c, bool transpose_w);

/// dtype_mismatch if operand 1 cannot be multiplied with operand 0. [C2] of matmul and linear, [C3] of expert_matmul.
void check_product_dtypes(const InferContext& c);

/// result(…, m, n) = dot16 over k of x(…, m, k) and w(…, k, n), + bias(n) if operand `bias` is given (0: none), then
/// rounded once to the result's dtype. Each weight row is decoded once for all rows of x; threads split the columns n.
void run_product(OpRun& run, bool transpose_w, std::size_t bias);

/// For each expert (matrix of operand 1) the rows of the result that are products with it.
using ExpertRows = std::vector<std::vector<std::int64_t>>;
/// result(row, m) = dot16 over k of row `row / sharing` of operand 0 and the expert's column m. Experts without rows
/// are not read.
void run_expert_product(OpRun& run, const ExpertRows& rows, std::int64_t sharing);
/// Without the rows of experts, which are the caller's.
Workspace expert_product_workspace(const OpRun& run);
Workspace product_workspace(const OpRun& run, bool transpose_w, std::size_t bias);

Cost product_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value, bool transpose_w);

}  // namespace openinfer
