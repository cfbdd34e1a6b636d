// SPDX-License-Identifier: Apache-2.0
// How the heads of a decoder turn, as its package says: every kind of scaled rotary positions.
// Source: transformers' modeling_rope_utils.py; Ding et al. 2024, arXiv:2402.13753 (longrope).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "openinfer/openinfer.h"

namespace openinfer::models {

/// theta^(−2i/r) / divisors[row][i] for each row of r/2 divisors: (r/2) for one row, else (rows, r/2).
inline Tensor divided_frequencies(double theta, std::int64_t r, const std::vector<std::vector<double>>& divisors) {
  std::vector<float> f;
  for (const auto& row : divisors)
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double base = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(r));
      f.push_back(static_cast<float>(base / row[i]));
    }
  const auto rows = static_cast<std::int64_t>(divisors.size());
  const auto pairs = static_cast<std::int64_t>(f.size()) / rows;
  return rows == 1 ? Tensor(f, {pairs}) : Tensor(f, {rows, pairs});
}

/// `rope` with the package's rope_scaling. `ctx`: how long a sequence may be, the capacity of the cache. longrope has
/// one set of frequencies for sequences up to the original context and one for longer ones; keys stay in the cache as
/// they were turned, so that a session takes one of them, by its own bound. dynamic scales nothing up to the context
/// that the checkpoint was made for, and no graph here goes beyond. Errors: not_found if the package lacks the
/// scaling's numbers. An unknown kind is for `rope` to refuse.
inline Rope scaled(Rope rope, GraphBuilder& b, const Model& model, const Dim& ctx) {
  const auto key = [](const char* name) { return std::string("rope_scaling.") + name; };
  const auto number = [&](const char* name) { return model.meta<double>(key(name)); };
  const auto give = [&](const std::vector<const char*>& names) {
    std::vector<std::vector<double>> divisors;
    for (const char* name : names) divisors.push_back(model.meta<std::vector<double>>(key(name)));
    const std::int64_t r = rope.rotary_dim != 0 ? rope.rotary_dim : rope.head_dim;
    rope.frequencies = b.constant("frequencies", divided_frequencies(rope.theta, r, divisors));
  };
  const auto kind = model.find_meta<std::string>(key("type")).value_or("none");
  if (kind == "dynamic") return rope;
  if (kind == "factors") {
    give({"factors"});
    return rope;
  }
  if (kind == "longrope" || kind == "llama3" || kind == "yarn")
    rope.original_context = model.meta<std::int64_t>(key("original_ctx_len"));
  if (kind == "longrope") {
    give({"short_factors", "long_factors"});
    rope.attention_factor = number("attention_factor");
    rope.context = ctx;
    return rope;
  }
  rope.scaling = kind;
  if (kind == "linear" || kind == "llama3" || kind == "yarn") rope.factor = number("factor");
  if (kind == "llama3") {
    rope.low_freq_factor = number("low_freq_factor");
    rope.high_freq_factor = number("high_freq_factor");
  }
  if (kind == "yarn") {
    rope.attention_factor = number("attention_factor");
    rope.beta_fast = number("beta_fast");
    rope.beta_slow = number("beta_slow");
    rope.truncate = model.meta<bool>(key("truncate"));
  }
  return rope;
}

}  // namespace openinfer::models
