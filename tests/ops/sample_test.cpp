// SPDX-License-Identifier: Apache-2.0
// Drawing tokens in the graph.
#include <catch2/catch.hpp>
#include <cmath>

#include "openinfer/openinfer.h"

using namespace openinfer;

namespace {

std::vector<std::int32_t> drawn(const std::vector<float>& logits, const Sampling& options, int steps,
                                std::uint64_t seed = 7) {
  GraphBuilder b;
  const auto V = static_cast<std::int64_t>(logits.size());
  Tensor rows(f32, {steps, V});
  for (int r = 0; r < steps; ++r)
    for (std::size_t v = 0; v < logits.size(); ++v)
      rows.mutable_data<float>()[static_cast<std::size_t>(r) * logits.size() + v] = logits[v];
  const Tensor tokens = eval(sample(b.constant(rows), 3, b.constant(Tensor::scalar(seed)), options));
  return {tokens.data<std::int32_t>().begin(), tokens.data<std::int32_t>().end()};
}

std::vector<double> shares(const std::vector<std::int32_t>& tokens, std::size_t V) {
  std::vector<double> found(V);
  for (const std::int32_t t : tokens) found.at(static_cast<std::size_t>(t)) += 1.0 / static_cast<double>(tokens.size());
  return found;
}

}  // namespace

TEST_CASE("sampled_tokens_have_the_probabilities_of_softmax") {
  const std::vector<float> logits = {0.5f, -1, 2, -INFINITY, 1.5f, 0};
  constexpr int kDraws = 20000;
  struct Cut {
    Sampling options;
    std::vector<double> keeps;  // what is not cut away
  };
  for (const Cut& c : {Cut{{}, {1, 1, 1, 0, 1, 1}}, Cut{{.temperature = 0.5}, {1, 1, 1, 0, 1, 1}},
                       Cut{{.top_k = 3}, {1, 0, 1, 0, 1, 0}}, Cut{{.top_p = 0.8}, {1, 0, 1, 0, 1, 0}},
                       Cut{{.temperature = 2, .top_k = 4, .top_p = 0.5}, {0, 0, 1, 0, 1, 0}}}) {
    std::vector<double> wanted(logits.size());
    double sum = 0;
    for (std::size_t v = 0; v < logits.size(); ++v)
      sum += wanted[v] = c.keeps[v] * std::exp(static_cast<double>(logits[v]) / c.options.temperature);
    const std::vector<double> found = shares(drawn(logits, c.options, kDraws), logits.size());
    for (std::size_t v = 0; v < logits.size(); ++v) {
      const double p = wanted[v] / sum;
      INFO(v << ": " << p);
      // Five standard deviations, and the steps of the weights.
      CHECK(std::abs(found[v] - p) <= 5 * std::sqrt(p * (1 - p) / kDraws) + 0x1p-12 * p);
    }
  }
}

TEST_CASE("sampling_is_determined_by_seed_step_and_row") {
  const std::vector<float> logits(50, 0.0f);
  const auto tokens = drawn(logits, {}, 100);
  CHECK(drawn(logits, {}, 100) == tokens);
  CHECK(drawn(logits, {}, 100, 8) != tokens);
  CHECK(drawn(logits, {.temperature = 0}, 2) == std::vector<std::int32_t>{0, 0});
  // By hand: row 0 at step 3 under seed 7 of equal weights takes ⌊w · 50 / 2^32⌋.
  GraphBuilder b;
  const Tensor word =
      eval(random_below(b.constant(Tensor::scalar(std::uint64_t{3} << 32)),
                        b.constant(Tensor::scalar(std::uint64_t{7})), b.constant(Tensor::scalar(std::uint64_t{50}))));
  CHECK(static_cast<std::uint64_t>(tokens[0]) == word.data<std::uint64_t>()[0]);
}

TEST_CASE("philox_has_the_known_answers_of_random123") {
  GraphBuilder b;
  const auto word = [&](std::uint64_t counter, std::uint64_t seed) {
    return eval(random_below(b.constant(Tensor::scalar(counter)), b.constant(Tensor::scalar(seed)),
                             b.constant(Tensor::scalar(std::uint64_t{1} << 32))))
        .data<std::uint64_t>()[0];
  };
  CHECK(word(0, 0) == 0x6627e8d5u);
}
