// SPDX-License-Identifier: Apache-2.0
// Qwen2 and Qwen2.5: mistral's layers with biases on q, k and v, which `project` adds where a package has them;
// windows, where they are switched on, on the upper layers alone. Source: Yang et al. 2024, arXiv:2407.10671;
// transformers' modeling_qwen2.py.
#pragma once

#include "openinfer/models/mistral.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph qwen2(const Model& model, DType kv_dtype = f32) { return mistral(model, kv_dtype); }

}  // namespace openinfer::models
