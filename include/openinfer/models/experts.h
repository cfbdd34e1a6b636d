// SPDX-License-Identifier: Apache-2.0
// MLPs of which each row takes a few of many, its experts: what the families of such models share. The experts' weights
// are one tensor each, (n_experts, in, out); those that no row chose are not read.
// Source: Shazeer et al. 2017, arXiv:1701.06538; Jiang et al. 2024, arXiv:2401.04088.
#pragma once

#include "openinfer/models/parts.h"

namespace openinfer::models {

/// Which experts each row takes, i32 (N, n_experts_used), and how much of each, f32.
struct Chosen {
  Value share, ids;
};

/// The experts of each row: softmax of `scores` (N, n_experts), of which the greatest n_experts_used are taken; `normed`: divided by their sum.
inline Chosen choose(const Model& model, const Value& scores, bool normed) {
  auto [share, ids] = top_k(softmax(scores), model.meta<std::int64_t>("n_experts_used"));
  const Value whole = share;
  return {.share = normed ? whole / sum(whole, {.axes = {1}, .keepdims = true}) : whole, .ids = ids};
}

/// Σ_j share[n, j] · parts[n, j, …] over a row's experts.
inline Value mix(const Rows& in, const Value& parts, const Chosen& chosen) {
  return sum(parts * reshape(chosen.share, {in.N, -1, 1}), {.axes = {1}});
}

/// Σ_j share_j · (silu(x · Wgate_j) ∘ (x · Wup_j)) · Wdown_j of layer l.
inline Value gated_experts(const Rows& in, const Model& model, const Value& x, const Index& l, const Chosen& chosen) {
  auto gate = expert_matmul(x, model("Wgate_exps.{}", l), chosen.ids) | silu() % hints{.name = "gate"};
  auto up = expert_matmul(x, model("Wup_exps.{}", l), chosen.ids) % hints{.name = "up"};
  return mix(in, expert_matmul(gate * up, model("Wdown_exps.{}", l), chosen.ids), chosen);
}

}  // namespace openinfer::models
