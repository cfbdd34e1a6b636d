// SPDX-License-Identifier: Apache-2.0
// GPT-2: learned positions, layer norms, biases everywhere, an MLP without a gate.
// Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; transformers' modeling_gpt2.py.
#pragma once

#include "openinfer/models/parts.h"

namespace openinfer::models {

/// Inputs, output, state, errors: as llama's.
inline Graph gpt2(const Model& model, DType kv_dtype = f32) {
  const auto eps = model.meta<double>("norm_eps");
  const Pipe act = activation(model);

  return graph(model, [&](GraphBuilder& b) {
    const Rows in = decoder_rows(b, model, kv_dtype);
    auto x = gather(model["tok_embeddings"], in.tok) | cast(f32);
    x = (x + (gather(model["pos_embeddings"], in.pos) | cast(f32))) % hints{.name = "x"};
    x = b.loop("l", 0, model.meta<std::int64_t>("n_layers"), x, [&](Index l, Value x) {
      auto h = x | layer_norm(model("attn_norm.{}", l), model("attn_norm_bias.{}", l), eps);
      auto q = project(model, h, "q", l) % hints{.name = "q"};
      auto k = project(model, h, "k", l) % hints{.name = "k"};
      auto v = project(model, h, "v", l) % hints{.name = "v"};
      x = (x + project(model, attend(in, l, q, k, v), "o", l)) % hints{.name = "residual"};

      h = x | layer_norm(model("mlp_norm.{}", l), model("mlp_norm_bias.{}", l), eps);
      auto up = project(model, h, "up", l) | act % hints{.name = "up"};
      return x + project(model, up, "down", l);
    });
    x = gather(x, in.rows) | layer_norm(model["final_norm"], model["final_norm_bias"], eps);
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
