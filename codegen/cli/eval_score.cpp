// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/eval_score.h"

#include <algorithm>
#include <cmath>

namespace openinfer::cli {
namespace {

/// log Σ exp(x).
double log_sum_exp(std::span<const float> x) {
  const double most = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float value : x) sum += std::exp(value - most);
  return most + std::log(sum);
}

std::size_t top(std::span<const float> x) {
  return static_cast<std::size_t>(std::max_element(x.begin(), x.end()) - x.begin());
}

}  // namespace

double negative_log_likelihood(std::span<const float> logits, std::size_t next) {
  return log_sum_exp(logits) - logits[next];
}

RowDifference row_difference(std::span<const float> reference, std::span<const float> other) {
  const double reference_sum = log_sum_exp(reference), other_sum = log_sum_exp(other);
  RowDifference difference;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = reference[i] - reference_sum, log_q = other[i] - other_sum, p = std::exp(log_p);
    if (p > 0) difference.kl += p * (log_p - log_q);
    // Where both are −∞ they agree.
    if (reference[i] != other[i])
      difference.logit_error = std::max(difference.logit_error, std::abs(double{reference[i]} - other[i]));
    difference.logit_scale = std::max(difference.logit_scale, std::abs(double{reference[i]}));
  }
  difference.kl = std::max(difference.kl, 0.0);  // it is not negative; rounding may be
  difference.same_top = top(reference) == top(other);
  return difference;
}

MeanAndError mean_and_error(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() > 1 ? std::sqrt(squares / n / (n - 1)) : 0};
}

MeanAndError perplexity(std::span<const double> nll) {
  const MeanAndError mean = mean_and_error(nll);
  return {std::exp(mean.mean), std::exp(mean.mean) * mean.error};
}

double quantile(std::vector<double> values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace openinfer::cli
