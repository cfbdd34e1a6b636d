// SPDX-License-Identifier: Apache-2.0
// Qwen3 with experts: qwen3's attention, a softmax over all experts, the greatest few; `norm_topk` says whether these
// are divided by their sum.
// Source: Yang et al. 2025, arXiv:2505.09388; transformers' modeling_qwen3_moe.py.
#pragma once

#include "openinfer/models/experts.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph qwen3moe(const Model& model, DType kv_dtype = f32) {
  const auto eps = model.meta<double>("rms_norm_eps");
  const auto normed_shares = model.meta<bool>("norm_topk");

  return graph(model, [&](GraphBuilder& b) {
    const Rows in = decoder_rows(b, model, kv_dtype);
    const Rope rotary = llama_rope(b, model, in.ctx);
    const auto normed = [&](const Value& x, const Weight& w) { return head_norm(in, x, w, rotary.head_dim, eps); };
    auto x = gather(model["tok_embeddings"], in.tok) | cast(f32) % hints{.name = "x"};
    x = through_layers(b, layer_windows(model), x, [&](Index l, std::int64_t window, Value x) {
      auto h = x | rms_norm(model("attn_norm.{}", l), eps);
      auto q = normed(project(model, h, "q", l), model("q_norm.{}", l)) | rope(in.pos, rotary) % hints{.name = "q"};
      auto k = normed(project(model, h, "k", l), model("k_norm.{}", l)) | rope(in.pos, rotary) % hints{.name = "k"};
      auto v = project(model, h, "v", l) % hints{.name = "v"};
      auto a = attend(in, l, q, k, v, {.window = window});
      x = (x + project(model, a, "o", l)) % hints{.name = "residual"};

      h = x | rms_norm(model("mlp_norm.{}", l), eps);
      const Chosen chosen = choose(model, project(model, h, "router", l), normed_shares);
      return x + gated_experts(in, model, h, l, chosen);
    });
    x = gather(x, in.rows) | rms_norm(model["final_norm"], eps);
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
