// SPDX-License-Identifier: Apache-2.0
// A llama-style decoder as ordinary user code: copy it and change it. Computes in f32 whatever the weights are stored
// as.
//
// Rows, not batches: row n is token tok[n] at position pos[n] of the sequence in slot[n]; logits come for `rows` alone.
// Decoding is N = 1; a prompt is N rows of one slot; several sequences are rows of several slots.
// Source: Touvron et al. 2023, arXiv:2302.13971; grouped queries: arXiv:2305.13245.
#pragma once

#include "openinfer/models/rope.h"

namespace openinfer::models {

/// How heads turn: pairs (i, i + r/2) of each head's first r = rope_dim elements, by rope_theta and rope_scaling, whose
/// kinds are in rope.h. `ctx`: how long a sequence may be.
/// Errors: not_found if the package lacks a number; `rope` refuses, with invalid_argument, a kind of scaling that it
/// does not know.
inline Rope llama_rope(GraphBuilder& b, const Model& model, const Dim& ctx) {
  const Rope plain = {.head_dim = model.meta<std::int64_t>("head_dim"),
                      .theta = model.meta<double>("rope_theta"),
                      .rotary_dim = model.find_meta<std::int64_t>("rope_dim").value_or(0)};
  return scaled(plain, b, model, ctx);
}

/// x · W + b of layer l, with b where the checkpoint has one: W is "Wq.{}", b is "bq.{}" for name q. Its line is the
/// caller's.
inline Value project(const Model& model, const Value& x, const std::string& name, const Index& l, At at = {}) {
  const std::string w = "W" + name + ".{}", b = "b" + name + ".{}";
  return model.contains("b" + name + ".0") ? linear(In(x, at), model(w, l), model(b, l))
                                           : matmul(In(x, at), model(w, l));
}

/// Inputs: tok, pos, slot i32[N], rows i32[R].  Output: logits f32[R, vocab].  State: kv.
/// Errors: not_found if the package lacks a hyperparameter or a tensor of a llama.
inline Graph llama(const Model& model, DType kv_dtype = f32) {
  const auto n_layers = model.meta<std::int64_t>("n_layers");
  const auto n_kv_heads = model.meta<std::int64_t>("n_kv_heads");
  const auto ctx_len = model.meta<std::int64_t>("ctx_len"), head_dim = model.meta<std::int64_t>("head_dim");
  const auto eps = model.meta<double>("rms_norm_eps");

  return graph(model, [&](GraphBuilder& b) {
    auto N = b.dim("N", 1, 512), R = b.dim("R", 1, 512), slots = b.dim("slots", 1, 16), ctx = b.dim("ctx", 1, ctx_len);
    auto tok = b.input("tok", i32, {N}), pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N});
    auto rows = b.input("rows", i32, {R});
    auto kv = b.state("kv", kv_cache({.layers = n_layers,
                                      .slots = slots,
                                      .capacity = ctx,
                                      .heads = n_kv_heads,
                                      .head_dim = head_dim,
                                      .dtype = kv_dtype}));
    const Rope rotary = llama_rope(b, model, ctx);

    auto x = gather(model["tok_embeddings"], tok) | cast(f32) % hints{.name = "x"};
    x = b.loop("l", 0, n_layers, x, [&](Index l, Value x) {
      auto h = x | rms_norm(model("attn_norm.{}", l), eps);
      auto q = project(model, h, "q", l) | rope(pos, rotary) % hints{.name = "q"};
      auto k = project(model, h, "k", l) | rope(pos, rotary) % hints{.name = "k"};
      auto v = project(model, h, "v", l) % hints{.name = "v"};
      kv_write(kv, {.layer = l, .pos = pos, .slot = slot}, k, v);
      auto [ks, vs] = kv_read(kv, {.layer = l});
      auto a = sdpa(q, ks, vs, {.pos = pos, .slot = slot}) % hints{.name = "attention"};
      x = (x + project(model, a, "o", l)) % hints{.name = "residual"};

      h = x | rms_norm(model("mlp_norm.{}", l), eps);
      auto gate = project(model, h, "gate", l) | silu() % hints{.name = "gate"};
      auto up = project(model, h, "up", l);
      return x + project(model, gate * up, "down", l);
    });
    x = gather(x, rows) | rms_norm(model["final_norm"], eps);
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
