// SPDX-License-Identifier: Apache-2.0
// Copying elements of any plain dtype by position: transpose, slice and broadcast are this with other steps.
#pragma once

#include "openinfer/op_def.h"

namespace openinfer {

/// out[i0, i1, …] = x.data[first + Σ i_d · steps[d]]; `steps` has one entry (in elements) for each dimension of out.
void copy_elements(const OpRun& run, const TensorView& x, std::int64_t first, const std::vector<std::int64_t>& steps,
                   const TensorSpan& out);

/// Elements from one position to the next along each dimension of a dense tensor.
std::vector<std::int64_t> dense_steps(const Extents& shape);

inline std::int64_t element_bytes(DType dtype) { return info(dtype).block_bytes; }

}  // namespace openinfer
