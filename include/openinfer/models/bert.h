// SPDX-License-Identifier: Apache-2.0
// The encoders of BERT and RoBERTa as ordinary user code: copy it and change it. One text at a time, every token sees
// every other. Computes in f32 whatever the weights are stored as. RoBERTa's first position is row 0 here too: its
// package has left out the rows before it.
// Source: Devlin et al. 2018, arXiv:1810.04805; Liu et al. 2019, arXiv:1907.11692.
#pragma once

#include "openinfer/models/parts.h"

namespace openinfer::models {

/// Inputs: tok, types i32[N], the tokens of one text and their segments (0, or 1 in the second of two texts).
/// Outputs: hidden f32[N, d_model], and pooled f32[d_model] where the checkpoint has BERT's own pooler. No state.
/// Errors: not_found if the package lacks a hyperparameter or a tensor of a BERT; unsupported for its activation.
inline Graph bert(const Model& model) {
  const auto n_layers = model.meta<std::int64_t>("n_layers"), n_heads = model.meta<std::int64_t>("n_heads");
  const auto d_model = model.meta<std::int64_t>("d_model"), ctx_len = model.meta<std::int64_t>("ctx_len");
  const auto head_dim = model.meta<std::int64_t>("head_dim");
  const auto eps = model.meta<double>("norm_eps");
  const Pipe act = activation(model);

  return graph(model, [&](GraphBuilder& b) {
    auto N = b.dim("N", 1, ctx_len);
    auto tok = b.input("tok", i32, {N}), types = b.input("types", i32, {N});
    const auto heads = [&](const Value& x) {  // (N, H*D) -> (1, H, N, D)
      return x | reshape({1, N, n_heads, head_dim}) | transpose({0, 2, 1, 3});
    };

    auto x = gather(model["tok_embeddings"], tok) | cast(f32);
    x = x + (gather(model["pos_embeddings"], iota(b, {N})) | cast(f32));
    x = x + (gather(model["type_embeddings"], types) | cast(f32));
    x = x | layer_norm(model["embed_norm"], model["embed_norm_bias"], eps) % hints{.name = "x"};
    x = b.loop("l", 0, n_layers, x, [&](Index l, Value x) {
      auto q = heads(linear(x, model("Wq.{}", l), model("bq.{}", l)) % hints{.name = "q"});
      auto k = heads(linear(x, model("Wk.{}", l), model("bk.{}", l)) % hints{.name = "k"});
      auto v = heads(linear(x, model("Wv.{}", l), model("bv.{}", l)) % hints{.name = "v"});
      auto a = sdpa(q, k, v) | transpose({0, 2, 1, 3}) | reshape({N, d_model}) % hints{.name = "attention"};
      a = linear(a, model("Wo.{}", l), model("bo.{}", l));
      x = (x + a) | layer_norm(model("attn_norm.{}", l), model("attn_norm_bias.{}", l), eps);

      auto up = linear(x, model("Wup.{}", l), model("bup.{}", l)) | act % hints{.name = "up"};
      auto down = linear(up, model("Wdown.{}", l), model("bdown.{}", l));
      return (x + down) | layer_norm(model("mlp_norm.{}", l), model("mlp_norm_bias.{}", l), eps);
    });
    b.output("hidden", x);
    if (!model.contains("Wpool")) return;
    auto first = x | slice({.axis = 0, .begin = 0, .end = 1});
    b.output("pooled", linear(first, model["Wpool"], model["bpool"]) | tanh() | reshape({d_model}));
  });
}

}  // namespace openinfer::models
