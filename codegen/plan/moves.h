// SPDX-License-Identifier: Apache-2.0
// Dispatches of strided copies, for operators that move elements and for those that want them elsewhere first.
#pragma once

#include "codegen/plan/lowering.h"

namespace openinfer::plan {

/// to[at] = from[at in the order of `shape`]: dimension d of `to` is dimension order[d] of `from`.
void dispatch_transpose(GroupLowering& l, const Operand& from, const Shape& shape,
                        const std::vector<std::size_t>& order, const Operand& to, DType dtype);

/// Elements from one position to the next along each dimension of a dense tensor.
std::vector<Size> dense_steps(const Shape& shape);

}  // namespace openinfer::plan
