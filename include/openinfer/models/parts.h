// SPDX-License-Identifier: Apache-2.0
// What the other families share, each piece as llama.h writes it out: inputs and cache, attention over the cache,
// layers whose windows differ, and the gated MLP.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "openinfer/models/llama.h"

namespace openinfer::models {

/// The operator that the package's `activation` names. Errors: unsupported for another name.
inline Pipe activation(const Model& model) {
  const auto name = model.meta<std::string>("activation");
  if (name == "gelu") return gelu();
  if (name == "gelu_tanh") return gelu_tanh();
  if (name == "relu") return relu();
  if (name == "silu") return silu();
  throw Error(ErrorCode::unsupported, "[models] activation is gelu, gelu_tanh, relu or silu, not '" + name + "'");
}

/// The inputs of llama.h's decoder, and its cache.
struct Rows {
  Dim N, ctx;
  Value tok, pos, slot, rows;
  State kv;
};

inline Rows decoder_rows(GraphBuilder& b, const Model& model, DType kv_dtype) {
  auto N = b.dim("N", 1, 512), R = b.dim("R", 1, 512), slots = b.dim("slots", 1, 16);
  auto ctx = b.dim("ctx", 1, model.meta<std::int64_t>("ctx_len"));
  return {.N = N,
          .ctx = ctx,
          .tok = b.input("tok", i32, {N}),
          .pos = b.input("pos", i32, {N}),
          .slot = b.input("slot", i32, {N}),
          .rows = b.input("rows", i32, {R}),
          .kv = b.state("kv", kv_cache({.layers = model.meta<std::int64_t>("n_layers"),
                                        .slots = slots,
                                        .capacity = ctx,
                                        .heads = model.meta<std::int64_t>("n_kv_heads"),
                                        .head_dim = model.meta<std::int64_t>("head_dim"),
                                        .dtype = kv_dtype}))};
}

/// Keeps k and v of layer l, then softmax(scale · q·kᵀ) · v of each row over what it may see. `how`: window, softcap,
/// scale.
inline Value attend(const Rows& in, const Index& l, const Value& q, const Value& k, const Value& v,
                    Attention how = {}) {
  kv_write(in.kv, {.layer = l, .pos = in.pos, .slot = in.slot}, k, v);
  auto [ks, vs] = kv_read(in.kv, {.layer = l});
  how.pos = in.pos;
  how.slot = in.slot;
  return sdpa(q, ks, vs, how) % hints{.name = "attention"};
}

/// An RMS norm over each head of x (N, H·head_dim).
inline Value head_norm(const Rows& in, const Value& x, const Weight& w, std::int64_t head_dim, double eps) {
  return reshape(x, {in.N, -1, head_dim}) | rms_norm(w, eps) | reshape({in.N, -1});
}

/// (act(x · Wgate) ∘ (x · Wup)) · Wdown of layer l.
inline Value gated_mlp(const Model& model, const Value& x, const Index& l, const Pipe& act) {
  auto gate = project(model, x, "gate", l) | act % hints{.name = "gate"};
  auto up = project(model, x, "up", l);
  return project(model, gate * up, "down", l);
}

/// How many of the last keys each layer sees; 0: all. A package without `windows` has none.
/// Errors: invalid_argument if it has not one for each layer.
inline std::vector<std::int64_t> layer_windows(const Model& model) {
  const auto n_layers = model.meta<std::int64_t>("n_layers");
  if (n_layers < 1 || n_layers > 65536)
    throw Error(ErrorCode::invalid_argument, "[models] n_layers is " + std::to_string(n_layers));
  const auto given = model.find_meta<std::vector<std::int64_t>>("windows");
  if (given && std::ssize(*given) != n_layers)
    throw Error(ErrorCode::invalid_argument, "[models] `windows` has " + std::to_string(given->size()) +
                                                 " entries for " + std::to_string(n_layers) + " layers");
  return given.value_or(std::vector<std::int64_t>(static_cast<std::size_t>(n_layers), 0));
}

/// `turns` times `period` layers, from layer `first` on, whose windows repeat.
struct Stretch {
  std::int64_t first = 0, period = 1, turns = 1;
  std::int64_t layers() const { return period * turns; }
};

/// The layers from `first` on that repeat furthest; the shortest period of several.
inline Stretch stretch_from(const std::vector<std::int64_t>& windows, std::int64_t first) {
  Stretch best = {.first = first};
  const auto from = windows.begin() + first;
  for (std::int64_t period = 1; 2 * period <= windows.end() - from; ++period) {
    const auto differs = std::mismatch(from + period, windows.end(), from).first;
    const std::int64_t turns = (differs - from) / period;
    if (turns > 1 && turns * period > best.layers()) best = {first, period, turns};
  }
  return best;
}

/// x through all layers, in order: body(l, window, x) adds layer l. Windows are a kernel's constants, so that layers of
/// one window are one loop, and layers whose windows alternate are loops of a period: the graph does not grow with
/// their number.
template <class Body>
Value through_layers(GraphBuilder& b, const std::vector<std::int64_t>& windows, Value x, Body body) {
  for (std::int64_t next = 0; next < std::ssize(windows);) {
    const Stretch s = stretch_from(windows, next);
    const std::int64_t from = s.first / s.period;  // so that layers of one window are the loop's own index
    x = b.loop("l", from, from + s.turns, x, [&](Index turn, Value x) {
      for (std::int64_t i = 0; i < s.period; ++i)
        x = body(turn * s.period + (s.first % s.period + i), windows[static_cast<std::size_t>(s.first + i)], x);
      return x;
    });
    next += s.layers();
  }
  return x;
}

}  // namespace openinfer::models
