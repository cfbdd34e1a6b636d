// SPDX-License-Identifier: Apache-2.0
// The product of activations with a stored matrix: what matmul and linear share.
#pragma once

#include "openinfer/op_def.h"

namespace openinfer {

/// The result's type. Errors: shape_mismatch [C1] K differs, [C3] ranks or leading dimensions; dtype_mismatch [C2].
TensorType infer_product(const InferContext& c, bool transpose_w);

/// result(…, m, n) = dot16 over k of x(…, m, k) and w(…, k, n), + bias(n) if operand `bias` is given (0: none), then
/// rounded once to the result's dtype. Each weight row is decoded once for all rows of x; threads split the columns n.
void run_product(OpRun& run, bool transpose_w, std::size_t bias);

Cost product_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value, bool transpose_w);

}  // namespace openinfer
