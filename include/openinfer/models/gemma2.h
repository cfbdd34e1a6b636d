// SPDX-License-Identifier: Apache-2.0
// Gemma 2: scaled embeddings, a norm before and one behind attention and MLP, GELU, every other layer with a window,
// and caps on scores and logits: cap · tanh(x / cap). Norms are w + 1 in checkpoints, plain in packages.
// Source: Gemma Team 2024, arXiv:2408.00118; transformers' modeling_gemma2.py.
#pragma once

#include "openinfer/models/parts.h"

namespace openinfer::models {

/// cap · tanh(logits / cap); 0: as they are.
inline Value soft_capped(const Value& logits, double cap) { return cap > 0 ? tanh(logits / cap) * cap : logits; }

/// Inputs, output, state, errors: as llama's.
inline Graph gemma2(const Model& model, DType kv_dtype = f32) {
  const auto eps = model.meta<double>("rms_norm_eps");
  const auto attn_softcap = model.meta<double>("attn_softcap"), attn_scale = model.meta<double>("attn_scale");

  return graph(model, [&](GraphBuilder& b) {
    const Rows in = decoder_rows(b, model, kv_dtype);
    const Rope rotary = llama_rope(b, model, in.ctx);
    auto x = gather(model["tok_embeddings"], in.tok) | cast(f32);
    x = x * model.meta<double>("embed_scale") % hints{.name = "x"};
    x = through_layers(b, layer_windows(model), x, [&](Index l, std::int64_t window, Value x) {
      auto h = x | rms_norm(model("attn_norm.{}", l), eps);
      auto q = project(model, h, "q", l) | rope(in.pos, rotary) % hints{.name = "q"};
      auto k = project(model, h, "k", l) | rope(in.pos, rotary) % hints{.name = "k"};
      auto v = project(model, h, "v", l) % hints{.name = "v"};
      auto a = attend(in, l, q, k, v, {.window = window, .softcap = attn_softcap, .scale = attn_scale});
      a = project(model, a, "o", l) | rms_norm(model("attn_post_norm.{}", l), eps);
      x = (x + a) % hints{.name = "residual"};

      h = x | rms_norm(model("mlp_norm.{}", l), eps);
      return x + (gated_mlp(model, h, l, gelu_tanh()) | rms_norm(model("mlp_post_norm.{}", l), eps));
    });
    x = gather(x, in.rows) | rms_norm(model["final_norm"], eps);
    auto logits = soft_capped(matmul(x, model["lm_head"]), model.meta<double>("logit_softcap"));
    b.output("logits", logits % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
