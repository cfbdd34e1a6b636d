// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/base/fail.h"
#include "openinfer/text.h"

namespace openinfer {

namespace {

/// PCG32 (XSH RR 64/32) with the stream constant of its authors' minimal version.
/// Source: O'Neill 2014, "PCG: a family of simple fast space-efficient statistically good algorithms",
/// HMC-CS-2014-0905.
constexpr std::uint64_t kMultiplier = 6364136223846793005u;
constexpr std::uint64_t kIncrement = 1442695040888963407u;

std::uint32_t pcg32(std::uint64_t& state) {
  const std::uint64_t old = state;
  state = old * kMultiplier + kIncrement;
  const auto shifted = static_cast<std::uint32_t>(((old >> 18) ^ old) >> 27);
  const auto turn = static_cast<std::uint32_t>(old >> 59);
  return shifted >> turn | shifted << ((32 - turn) & 31);
}

/// Uniform in [0, 1) with 53 bits.
double uniform(std::uint64_t& state) {
  const std::uint64_t high = pcg32(state) >> 5, low = pcg32(state) >> 6;
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

void check_logits(std::span<const float> logits) {
  if (logits.empty()) fail(ErrorCode::invalid_argument, "[sample] no logits");
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (std::isnan(logits[i]) || logits[i] == std::numeric_limits<float>::infinity())
      fail(ErrorCode::invalid_argument, "[sample] logit {} of {} is {}", i, logits.size(), logits[i]);
  if (std::ranges::all_of(logits, [](float x) { return std::isinf(x); }))
    fail(ErrorCode::invalid_argument, "[sample] all {} logits are -inf", logits.size());
}

TokenId greedy(std::span<const float> logits) {
  return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());  // the first of equals
}

using Candidates = std::vector<Sampler::Candidate>;

bool before(const Sampler::Candidate& a, const Sampler::Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
}

/// All candidates by id, or the k largest, largest first. `probability` still holds the logit.
Candidates top_k(std::span<const float> logits, std::int32_t k) {
  Candidates out;
  out.reserve(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) out.push_back({static_cast<TokenId>(i), logits[i]});
  if (k == 0 || static_cast<std::size_t>(k) >= out.size()) return out;
  std::nth_element(out.begin(), out.begin() + k, out.end(), before);
  out.resize(static_cast<std::size_t>(k));
  std::ranges::sort(out, before);
  return out;
}

double largest(const Candidates& candidates) {
  double most = -std::numeric_limits<double>::infinity();
  for (const auto& c : candidates) most = std::max(most, c.probability);
  return most;
}

void normalise(Candidates& candidates) {
  double sum = 0;
  for (const auto& c : candidates) sum += c.probability;
  for (auto& c : candidates) c.probability /= sum;
}

void softmax(Candidates& candidates, double temperature) {
  const double most = largest(candidates);
  for (auto& c : candidates) c.probability = std::exp((c.probability - most) / temperature);
  normalise(candidates);
}

/// The shortest prefix whose sum reaches p; at least one.
void top_p(Candidates& candidates, double p) {
  if (p >= 1) return;
  // All candidates below (1 - p) / n together stay below 1 - p: they are never needed, and need not be sorted.
  const double least = std::min((1 - p) / static_cast<double>(candidates.size()), largest(candidates));
  std::erase_if(candidates, [&](const auto& c) { return c.probability < least; });
  std::ranges::sort(candidates, before);
  double sum = 0;
  std::size_t keep = 0;
  while (keep < candidates.size() && (keep == 0 || sum < p)) sum += candidates[keep++].probability;
  candidates.resize(keep);
  normalise(candidates);
}

void min_p(Candidates& candidates, double p) {
  if (p <= 0) return;
  const double least = p * largest(candidates);
  std::erase_if(candidates, [&](const auto& c) { return c.probability < least; });
  normalise(candidates);
}

Candidates filter(std::span<const float> logits, const SamplerOptions& options) {
  check_logits(logits);
  if (options.temperature == 0) return {{greedy(logits), 1.0}};
  Candidates candidates = top_k(logits, options.top_k);
  softmax(candidates, options.temperature);
  top_p(candidates, options.top_p);
  min_p(candidates, options.min_p);
  return candidates;
}

}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(options) {
  const auto check = [](std::string_view what, double value, double most, std::string_view range) {
    if (!(value >= 0 && value <= most))
      fail(ErrorCode::invalid_argument, "[sample] {} is {}, not in {}", what, value, range);
  };
  check("temperature", options.temperature, std::numeric_limits<float>::max(), "[0, inf)");
  check("top_k", options.top_k, INT32_MAX, "[0, 2^31)");
  check("top_p", options.top_p, 1, "[0, 1]");
  check("min_p", options.min_p, 1, "[0, 1]");
  // As pcg32_srandom: the seed enters between two steps.
  pcg32(state_);
  state_ += options.seed;
  pcg32(state_);
}

Candidates Sampler::distribution(std::span<const float> logits) const {
  Candidates candidates = filter(logits, options_);
  std::ranges::sort(candidates, before);
  return candidates;
}

TokenId Sampler::next(std::span<const float> logits) {
  const Candidates candidates = filter(logits, options_);
  if (candidates.size() == 1) return candidates.front().id;
  const double draw = uniform(state_);
  double sum = 0;
  for (const auto& c : candidates)
    if (sum += c.probability; draw < sum) return c.id;
  // Rounding may end the sum an ulp below 1: then the last that can be drawn at all.
  for (auto c = candidates.rbegin(); c != candidates.rend(); ++c)
    if (c->probability > 0) return c->id;
  return candidates.front().id;
}

}  // namespace openinfer
