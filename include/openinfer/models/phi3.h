// SPDX-License-Identifier: Apache-2.0
// Phi-3: mistral's layers. Its checkpoints fuse q, k, v and gate, up, which conversion takes apart; `rope_dim` says how
// much of each head turns.
// Source: Abdin et al. 2024, arXiv:2404.14219; transformers' modeling_phi3.py.
#pragma once

#include "openinfer/models/mistral.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph phi3(const Model& model, DType kv_dtype = f32) { return mistral(model, kv_dtype); }

}  // namespace openinfer::models
