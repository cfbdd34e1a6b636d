// SPDX-License-Identifier: Apache-2.0
// T5, encoder and decoder: no positions but a bias of the scores by distance, the same in every layer; scores without a
// scale; the decoder also looks at what the encoder made of a source text, whose keys and values it keeps.
// Source: Raffel et al. 2020, arXiv:1910.10683; transformers' modeling_t5.py.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "openinfer/models/parts.h"

namespace openinfer::models {

/// How distances (key − query) are told apart. `both`: keys lie on both sides of a query; else later ones count as 0.
struct T5Buckets {
  std::int64_t count = 32, max_distance = 128;  // distances from there on are one bucket
  bool both = true;

  std::int32_t of(std::int64_t distance) const {
    const std::int64_t n = both ? count / 2 : count, exact = n / 2;  // the first ones hold one distance each
    const std::int64_t first = both && distance > 0 ? n : 0,
                       d = both ? std::abs(distance) : std::max<std::int64_t>(-distance, 0);
    if (d < exact) return static_cast<std::int32_t>(first + d);
    // In f32, as the checkpoints were trained.
    const auto whole = static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
    const float part = std::log(static_cast<float>(d) / static_cast<float>(exact)) / whole;
    const auto far = static_cast<std::int64_t>(part * static_cast<float>(n - exact));
    return static_cast<std::int32_t>(first + std::min(exact + far, n - 1));
  }
};

/// The buckets of one side, "enc" or "dec". Errors: invalid_argument for numbers that make none.
inline T5Buckets t5_buckets(const Model& model, const std::string& side) {
  const T5Buckets made = {.count = model.meta<std::int64_t>("n_buckets"),
                          .max_distance = model.meta<std::int64_t>("max_distance"),
                          .both = side == "enc"};
  if (made.count < 4 || made.max_distance <= made.count / 2 || made.max_distance > 1 << 16)
    throw Error(ErrorCode::invalid_argument, "[t5] n_buckets is " + std::to_string(made.count) + ", max_distance " +
                                                 std::to_string(made.max_distance));
  return made;
}

/// The bias (H, …) of distances i32 (…): a row of rel_bias (n_buckets, H) by the distance's bucket.
inline Value t5_bias(GraphBuilder& b, const Model& model, const std::string& side, const Value& distance) {
  const T5Buckets buckets = t5_buckets(model, side);
  const std::int64_t far = buckets.max_distance;
  std::vector<std::int32_t> of;
  for (std::int64_t d = -far; d <= far; ++d) of.push_back(buckets.of(d));
  auto ids = b.constant(side + "_buckets", Tensor(of, {2 * far + 1}));
  auto by_distance = gather(model[side + ".rel_bias"], ids) | cast(f32) | transpose();  // (H, 2·far + 1)
  return gather(by_distance, min(max(distance, -far), far) + far, 1);
}

/// x + (act(h · Wgate) ∘ (h · Wup)) · Wdown of that side, h = norm(x); act(h · Wup) · Wdown where there is no Wgate.
inline Value t5_mlp(const Model& model, const std::string& side, const Value& x, const Index& l) {
  const Pipe act = activation(model);
  auto h = x | rms_norm(model(side + ".mlp_norm.{}", l), model.meta<double>("rms_norm_eps"));
  auto up = matmul(h, model(side + ".Wup.{}", l));
  if (model.contains(side + ".Wgate.0"))
    up = (matmul(h, model(side + ".Wgate.{}", l)) | act) * up;
  else
    up = up | act;
  return x + matmul(up, model(side + ".Wdown.{}", l));
}

/// What the encoder makes of one text.
inline Value t5_encoder(GraphBuilder& b, const Model& model, const Value& source, const Dim& S) {
  const auto n_heads = model.meta<std::int64_t>("n_heads"), head_dim = model.meta<std::int64_t>("head_dim");
  const auto eps = model.meta<double>("rms_norm_eps");
  const auto heads = [&](const Value& x) { return x | reshape({1, S, n_heads, head_dim}) | transpose({0, 2, 1, 3}); };

  const Value bias = t5_bias(b, model, "enc", iota(b, {S, S}, 1) - iota(b, {S, S}, 0));
  auto x = gather(model["tok_embeddings"], source) | cast(f32);
  x = b.loop("l", 0, model.meta<std::int64_t>("n_layers"), x, [&](Index l, Value x) {
    auto h = x | rms_norm(model("enc.attn_norm.{}", l), eps);
    auto q = heads(matmul(h, model("enc.Wq.{}", l))), k = heads(matmul(h, model("enc.Wk.{}", l)));
    auto a = sdpa(q, k, heads(matmul(h, model("enc.Wv.{}", l))), {.mask = bias, .scale = 1});
    a = a | transpose({0, 2, 1, 3}) | reshape({S, n_heads * head_dim});
    return t5_mlp(model, "enc", x + matmul(a, model("enc.Wo.{}", l)), l);
  });
  return x | rms_norm(model["enc.final_norm"], eps);
}

/// Inputs: the decoder's rows tok, pos, slot i32[N], rows i32[R], as llama's; source_end i32[N], how many tokens the
/// source of a row's slot has, less one; and source i32[S], the source text of slot source_slot i32[], which may be
/// empty: it is given once, in the slot's first step or before, and its keys and values stay.
/// Outputs: logits f32[R, vocab]; hidden f32[S, d_model], the encoder's.  States: kv, cross_kv.
/// Errors: as llama's; unsupported for another activation.
inline Graph t5(const Model& model, DType kv_dtype = f32) {
  const auto n_layers = model.meta<std::int64_t>("n_dec_layers"), n_heads = model.meta<std::int64_t>("n_heads");
  const auto ctx_len = model.meta<std::int64_t>("ctx_len"), head_dim = model.meta<std::int64_t>("head_dim");
  const auto eps = model.meta<double>("rms_norm_eps");

  return graph(model, [&](GraphBuilder& b) {
    auto N = b.dim("N", 1, 512), R = b.dim("R", 1, 512), S = b.dim("S", 0, ctx_len);
    auto slots = b.dim("slots", 1, 16), ctx = b.dim("ctx", 1, ctx_len), src = b.dim("src", 1, ctx_len);
    auto tok = b.input("tok", i32, {N}), pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N});
    auto rows = b.input("rows", i32, {R}), source_end = b.input("source_end", i32, {N});
    auto source = b.input("source", i32, {S}), source_slot = b.input("source_slot", i32, {});
    const auto cache = [&](const char* name, const Dim& capacity) {
      return b.state(name, kv_cache({.layers = n_layers,
                                     .slots = slots,
                                     .capacity = capacity,
                                     .heads = n_heads,
                                     .head_dim = head_dim,
                                     .dtype = kv_dtype}));
    };
    auto kv = cache("kv", ctx), cross_kv = cache("cross_kv", src);

    auto hidden = t5_encoder(b, model, source, S);
    b.output("hidden", hidden);
    auto source_pos = iota(b, {S}), source_slots = broadcast(source_slot, {S});
    auto bias = t5_bias(b, model, "dec", iota(b, {N, ctx}, 1) - reshape(pos, {N, 1}));
    bias = bias | transpose({1, 0, 2}) | reshape({N, n_heads, 1, ctx});

    auto x = gather(model["tok_embeddings"], tok) | cast(f32) % hints{.name = "x"};
    x = b.loop("l", 0, n_layers, x, [&](Index l, Value x) {
      auto h = x | rms_norm(model("dec.attn_norm.{}", l), eps);
      auto q = matmul(h, model("dec.Wq.{}", l)), k = matmul(h, model("dec.Wk.{}", l));
      kv_write(kv, {.layer = l, .pos = pos, .slot = slot}, k, matmul(h, model("dec.Wv.{}", l)));
      auto [ks, vs] = kv_read(kv, {.layer = l});
      auto a = sdpa(q, ks, vs, {.mask = bias, .pos = pos, .slot = slot, .scale = 1}) % hints{.name = "attention"};
      x = x + matmul(a, model("dec.Wo.{}", l));

      h = x | rms_norm(model("dec.cross_attn_norm.{}", l), eps);
      kv_write(cross_kv, {.layer = l, .pos = source_pos, .slot = source_slots},
               matmul(hidden, model("dec.cross_Wk.{}", l)), matmul(hidden, model("dec.cross_Wv.{}", l)));
      auto [source_ks, source_vs] = kv_read(cross_kv, {.layer = l});
      q = matmul(h, model("dec.cross_Wq.{}", l));
      a = sdpa(q, source_ks, source_vs, {.pos = source_end, .slot = slot, .scale = 1}) % hints{.name = "cross"};
      return t5_mlp(model, "dec", x + matmul(a, model("dec.cross_Wo.{}", l)), l);
    });
    x = gather(x, rows) | rms_norm(model["dec.final_norm"], eps);
    x = x * model.meta<double>("logit_scale");
    b.output("logits", matmul(x, model["lm_head"]) % hints{.name = "logits"});
  });
}

}  // namespace openinfer::models
