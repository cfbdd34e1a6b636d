// SPDX-License-Identifier: Apache-2.0
// Figures of logits against a text, and of logits against logits. All sums in f64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace openinfer::cli {

/// nll = −log softmax(logits)[next], in nats.
double negative_log_likelihood(std::span<const float> logits, std::size_t next);

/// What one row of logits differs in from the reference's.
struct RowDifference {
  double kl = 0;           // Σ p · (log p − log q), p the reference's probabilities, q the other's; in nats
  bool same_top = false;   // the largest logit is the same token's; of equals the first
  double logit_error = 0;  // max |reference − other|
  double logit_scale = 0;  // max |reference|
};
RowDifference row_difference(std::span<const float> reference, std::span<const float> other);

struct MeanAndError {
  double mean = 0;
  double error = 0;  // the mean's standard error, √(variance / (n − 1)); 0 of one value
};
MeanAndError mean_and_error(std::span<const double> values);

/// exp of a mean of nll, and what its standard error becomes to first order.
MeanAndError perplexity(std::span<const double> nll);

/// The smallest of the values that at least that share is not above. `values` is not empty.
double quantile(std::vector<double> values, double share);

}  // namespace openinfer::cli
