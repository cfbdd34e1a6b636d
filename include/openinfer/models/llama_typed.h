// SPDX-License-Identifier: Apache-2.0
// The decoder of llama.h with its sizes in the types: what does not fit together does not compile. It is the same
// graph, for packages of these sizes; another package is refused when the graph is built.
#pragma once

#include "openinfer/models/llama.h"
#include "openinfer/static/ops.h"

namespace openinfer::models {

/// Size has vocab, width, heads, kv_heads, head_dim and hidden.
/// Inputs: tok, pos, slot i32[N], rows i32[R].  Output: logits f32[R, vocab].  State: kv.
/// Errors: those of llama; shape_mismatch if the package has other sizes.
template <class Size>
Graph llama_typed(const Model& model) {
  using namespace typed;
  constexpr int D = Size::width, Q = Size::heads * Size::head_dim, KV = Size::kv_heads * Size::head_dim,
                FF = Size::hidden;
  using X = typed::Tensor<f32, "N", D>;
  const auto n_layers = model.meta<std::int64_t>("n_layers");
  const auto eps = model.meta<double>("rms_norm_eps");

  return graph(model, [&](GraphBuilder& b) {
    b.dim("N", 1, 512), b.dim("R", 1, 512), b.dim("slots", 1, 16);
    const Dim ctx = b.dim("ctx", 1, model.meta<std::int64_t>("ctx_len"));
    auto tok = input<i32, "N">(b, "tok"), pos = input<i32, "N">(b, "pos"), slot = input<i32, "N">(b, "slot");
    auto rows = input<i32, "R">(b, "rows");
    auto kv = cache<f32, "slots", Size::kv_heads, "ctx", Size::head_dim>(b, "kv", n_layers);
    const Rope rotary = llama_rope(b, model, ctx);

    auto x = gather<f32>(weights<Size::vocab, D>(b, model["tok_embeddings"]), tok) % hints{.name = "x"};
    x = loop(b, "l", 0, n_layers, x, [&](Index l, X x) {
      auto h = rms_norm(x, weights<D>(b, model("attn_norm.{}", l)), eps);
      auto q = rope(matmul(h, weights<D, Q>(b, model("Wq.{}", l))), pos, rotary) % hints{.name = "q"};
      auto k = rope(matmul(h, weights<D, KV>(b, model("Wk.{}", l))), pos, rotary) % hints{.name = "k"};
      auto v = matmul(h, weights<D, KV>(b, model("Wv.{}", l))) % hints{.name = "v"};
      kv_write(kv, {.layer = l, .pos = pos, .slot = slot}, k, v);
      auto [ks, vs] = kv_read(kv, {.layer = l});
      auto a = sdpa(q, ks, vs, {.pos = pos, .slot = slot}) % hints{.name = "attention"};
      x = (x + matmul(a, weights<Q, D>(b, model("Wo.{}", l)))) % hints{.name = "residual"};

      h = rms_norm(x, weights<D>(b, model("mlp_norm.{}", l)), eps);
      auto gate = silu(matmul(h, weights<D, FF>(b, model("Wgate.{}", l)))) % hints{.name = "gate"};
      auto up = matmul(h, weights<D, FF>(b, model("Wup.{}", l)));
      return x + matmul(gate * up, weights<FF, D>(b, model("Wdown.{}", l)));
    });
    auto last = rms_norm(gather(x, rows), weights<D>(b, model["final_norm"]), eps);
    b.output("logits", matmul(last, weights<D, Size::vocab>(b, model["lm_head"])) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
