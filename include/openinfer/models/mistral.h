// SPDX-License-Identifier: Apache-2.0
// Mistral: llama's layers (llama.h), of which each row sees the last `windows[l]` positions.
// Source: Jiang et al. 2023, arXiv:2310.06825; transformers' modeling_mistral.py.
#pragma once

#include "openinfer/models/parts.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph mistral(const Model& model, DType kv_dtype = f32) {
  const auto eps = model.meta<double>("rms_norm_eps");

  return graph(model, [&](GraphBuilder& b) {
    const Rows in = decoder_rows(b, model, kv_dtype);
    const Rope rotary = llama_rope(b, model, in.ctx);
    auto x = gather(model["tok_embeddings"], in.tok) | cast(f32) % hints{.name = "x"};
    x = through_layers(b, layer_windows(model), x, [&](Index l, std::int64_t window, Value x) {
      auto h = x | rms_norm(model("attn_norm.{}", l), eps);
      auto q = project(model, h, "q", l) | rope(in.pos, rotary) % hints{.name = "q"};
      auto k = project(model, h, "k", l) | rope(in.pos, rotary) % hints{.name = "k"};
      auto v = project(model, h, "v", l) % hints{.name = "v"};
      auto a = attend(in, l, q, k, v, {.window = window});
      x = (x + project(model, a, "o", l)) % hints{.name = "residual"};

      h = x | rms_norm(model("mlp_norm.{}", l), eps);
      return x + gated_mlp(model, h, l, silu());
    });
    x = gather(x, in.rows) | rms_norm(model["final_norm"], eps);
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
