// SPDX-License-Identifier: Apache-2.0
// A llama of two layers with random weights, some of them quantised, and how a sequence runs on it alone.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "openinfer/models/llama.h"
#include "test_package.h"

namespace sim_test {

using namespace openinfer;

inline constexpr std::int64_t kVocab = 50, kWidth = 64, kHeads = 4, kKvHeads = 2, kHeadDim = 16, kHidden = 96,
                              kLayers = 2, kContext = 48;

inline void add_q8_0(TestPackage& package, const std::string& key, std::int64_t in, std::int64_t out,
                     std::mt19937& random) {
  std::vector<std::uint16_t> blocks;  // an f16 scale and 32 bytes: 17 half words
  for (std::int64_t i = 0; i < in * out / 32; ++i) {
    blocks.push_back(float_to_half(0.002f));
    for (int j = 0; j < 16; ++j) blocks.push_back(static_cast<std::uint16_t>(random()));
  }
  opnf::TensorSpec spec;
  spec.key = key;
  spec.dtype = "q8_0";
  spec.shape = {static_cast<std::uint64_t>(in), static_cast<std::uint64_t>(out)};
  spec.transposed = true;
  package.writer().tensor(std::move(spec), std::as_bytes(std::span(blocks)));
}

inline void add_random(TestPackage& package, const std::string& key, std::vector<std::uint64_t> shape,
                       std::mt19937& random, float around = 0) {
  std::uint64_t count = 1;
  for (std::uint64_t e : shape) count *= e;
  std::vector<float> values;
  for (std::uint64_t i = 0; i < count; ++i)
    values.push_back(around + static_cast<float>(static_cast<std::int32_t>(random() % 2001) - 1000) * 2e-4f);
  const bool matrix = shape.size() == 2;
  package.add(key, std::move(shape), values, matrix && key != "tok_embeddings");
}

inline void fill_small_llama(TestPackage& package) {
  std::mt19937 random(7);
  opnf::Writer& w = package.writer();
  w.meta("n_layers", kLayers);
  w.meta("n_kv_heads", kKvHeads);
  w.meta("ctx_len", kContext);
  w.meta("head_dim", kHeadDim);
  w.meta("rms_norm_eps", 1e-5);
  w.meta("rope_theta", 10000.0);
  add_random(package, "tok_embeddings", {kVocab, kWidth}, random, 0.01f);
  for (int l = 0; l < kLayers; ++l) {
    const auto name = [&](const char* stem) { return std::string(stem) + "." + std::to_string(l); };
    add_random(package, name("attn_norm"), {kWidth}, random, 1);
    add_random(package, name("mlp_norm"), {kWidth}, random, 1);
    add_q8_0(package, name("Wq"), kWidth, kHeads * kHeadDim, random);
    add_random(package, name("Wk"), {kWidth, kKvHeads * kHeadDim}, random);
    add_random(package, name("Wv"), {kWidth, kKvHeads * kHeadDim}, random);
    add_q8_0(package, name("Wo"), kHeads * kHeadDim, kWidth, random);
    add_random(package, name("Wgate"), {kWidth, kHidden}, random);
    add_random(package, name("Wup"), {kWidth, kHidden}, random);
    add_q8_0(package, name("Wdown"), kHidden, kWidth, random);
  }
  add_random(package, "final_norm", {kWidth}, random, 1);
  add_random(package, "lm_head", {kWidth, kVocab}, random);
}

/// Rows of one step, sequences mixed as they come.
struct Batch {
  std::vector<std::int32_t> tok, pos, slot, rows;
  void add(std::int32_t token, std::int32_t position, std::int32_t in_slot) {
    tok.push_back(token);
    pos.push_back(position);
    slot.push_back(in_slot);
  }
  /// Logits of the row that was added last.
  std::size_t want() {
    rows.push_back(static_cast<std::int32_t>(tok.size() - 1));
    return rows.size() - 1;
  }
  Tensor run(SimSession& sim) const {
    return sim.run_step({{"tok", tok}, {"pos", pos}, {"slot", slot}, {"rows", rows}})["logits"];
  }
};

inline std::vector<float> row_of(const Tensor& logits, std::size_t row) {
  const auto data = logits.data<float>().subspan(row * kVocab, kVocab);
  return {data.begin(), data.end()};
}

inline std::int32_t greedy(const std::vector<float>& logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace sim_test
