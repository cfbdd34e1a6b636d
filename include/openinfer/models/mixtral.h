// SPDX-License-Identifier: Apache-2.0
// Mixtral: mistral's layers, whose MLPs are experts: a softmax over all of them, the greatest few divided by their sum.
// Source: Jiang et al. 2024, arXiv:2401.04088; transformers' modeling_mixtral.py.
#pragma once

#include "openinfer/models/experts.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph mixtral(const Model& model, DType kv_dtype = f32) {
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
      const Chosen chosen = choose(model, project(model, h, "router", l), true);
      return x + gated_experts(in, model, h, l, chosen);
    });
    x = gather(x, in.rows) | rms_norm(model["final_norm"], eps);
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
