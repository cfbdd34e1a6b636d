// SPDX-License-Identifier: Apache-2.0
// gpt-oss: a learned sink beside the keys of each head, every other layer with a window, biases, experts whose gate is
// clamped. Experts are chosen first, then the softmax is taken over the chosen.
// Source: Agarwal et al. 2025, arXiv:2508.10925; transformers' modeling_gpt_oss.py.
#pragma once

#include "openinfer/models/experts.h"

namespace openinfer::models {

/// The bias of each row's experts, (N, n_experts_used, width).
inline Value expert_bias(const Model& model, const std::string& name, const Index& l, const Chosen& chosen) {
  return gather(model("b" + name + "_exps.{}", l), chosen.ids) | cast(f32);
}

/// Inputs, output, state, errors: as llama's.
inline Graph gpt_oss(const Model& model, DType kv_dtype = f32) {
  const auto eps = model.meta<double>("rms_norm_eps");
  const auto alpha = model.meta<double>("swiglu_alpha"), limit = model.meta<double>("swiglu_limit");
  const auto n_used = model.meta<std::int64_t>("n_experts_used");

  return graph(model, [&](GraphBuilder& b) {
    const Rows in = decoder_rows(b, model, kv_dtype);
    const Rope rotary = llama_rope(b, model, in.ctx);
    const auto experts = [&](const Value& h, const Index& l) {
      auto [scores, ids] = top_k(project(model, h, "router", l), n_used);
      const Chosen chosen = {.share = softmax(scores), .ids = ids};
      auto gate = expert_matmul(h, model("Wgate_exps.{}", l), ids) + expert_bias(model, "gate", l, chosen);
      auto up = expert_matmul(h, model("Wup_exps.{}", l), ids) + expert_bias(model, "up", l, chosen);
      gate = min(gate, limit) % hints{.name = "gate"};
      up = max(min(up, limit), -limit) % hints{.name = "up"};
      auto down = expert_matmul((up + 1) * gate * sigmoid(gate * alpha), model("Wdown_exps.{}", l), ids);
      return mix(in, down + expert_bias(model, "down", l, chosen), chosen);
    };

    auto x = gather(model["tok_embeddings"], in.tok) | cast(f32) % hints{.name = "x"};
    x = through_layers(b, layer_windows(model), x, [&](Index l, std::int64_t window, Value x) {
      auto h = x | rms_norm(model("attn_norm.{}", l), eps);
      auto q = project(model, h, "q", l) | rope(in.pos, rotary) % hints{.name = "q"};
      auto k = project(model, h, "k", l) | rope(in.pos, rotary) % hints{.name = "k"};
      auto v = project(model, h, "v", l) % hints{.name = "v"};
      auto a = attend(in, l, q, k, v, {.window = window, .sinks = model("sinks.{}", l)});
      x = (x + project(model, a, "o", l)) % hints{.name = "residual"};

      h = x | rms_norm(model("mlp_norm.{}", l), eps);
      return x + experts(h, l);
    });
    x = gather(x, in.rows) | rms_norm(model["final_norm"], eps);
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
