// SPDX-License-Identifier: Apache-2.0
// Gemma 3, text: Gemma 2's layers with an RMS norm on each head of q and k; most layers have a window, and those turn
// by a theta of their own, unscaled.
// Source: Gemma Team 2025, arXiv:2503.19786; transformers' modeling_gemma3.py.
#pragma once

#include "openinfer/models/gemma2.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph gemma3(const Model& model, DType kv_dtype = f32) {
  const auto eps = model.meta<double>("rms_norm_eps");
  const auto attn_softcap = model.meta<double>("attn_softcap"), attn_scale = model.meta<double>("attn_scale");

  return graph(model, [&](GraphBuilder& b) {
    const Rows in = decoder_rows(b, model, kv_dtype);
    const Rope rotary = llama_rope(b, model, in.ctx);
    const Rope local = {
        .head_dim = rotary.head_dim, .theta = model.meta<double>("rope_local_theta"), .rotary_dim = rotary.rotary_dim};
    auto x = gather(model["tok_embeddings"], in.tok) | cast(f32);
    x = x * model.meta<double>("embed_scale") % hints{.name = "x"};
    x = through_layers(b, layer_windows(model), x, [&](Index l, std::int64_t window, Value x) {
      const auto turned = [&](const Value& x, const Weight& w) {
        return head_norm(in, x, w, rotary.head_dim, eps) | rope(in.pos, window > 0 ? local : rotary);
      };
      auto h = x | rms_norm(model("attn_norm.{}", l), eps);
      auto q = turned(project(model, h, "q", l), model("q_norm.{}", l)) % hints{.name = "q"};
      auto k = turned(project(model, h, "k", l), model("k_norm.{}", l)) % hints{.name = "k"};
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
