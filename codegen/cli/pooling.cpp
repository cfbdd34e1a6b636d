// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/pooling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

using Row = std::span<const float>;  // (D)

std::vector<double> mean(Row rows, std::size_t D) {
  std::vector<double> sum(D, 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i) sum[i % D] += rows[i];
  const std::size_t count = rows.size() / D;
  for (auto& value : sum) value /= static_cast<double>(count);
  return sum;
}

std::vector<double> largest(Row rows, std::size_t D) {
  std::vector<double> most(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(D));
  for (std::size_t i = D; i < rows.size(); ++i) most[i % D] = std::max<double>(most[i % D], rows[i]);
  return most;
}

std::vector<double> pooled(Row rows, std::size_t D, Pooling pooling) {
  switch (pooling) {
    case Pooling::mean: return mean(rows, D);
    case Pooling::cls: return {rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(D)};
    case Pooling::max: return largest(rows, D);
    case Pooling::last: return {rows.end() - static_cast<std::ptrdiff_t>(D), rows.end()};
  }
  fail(ErrorCode::internal, "[embed] pooling {} is not known", static_cast<int>(pooling));
}

}  // namespace

Pooling pooling_from_name(std::string_view name) {
  using Named = std::pair<std::string_view, Pooling>;
  for (const auto& [known, pooling] : {Named{"mean", Pooling::mean}, Named{"cls", Pooling::cls},
                                       Named{"max", Pooling::max}, Named{"last", Pooling::last}})
    if (known == name) return pooling;
  fail(ErrorCode::invalid_argument, "[embed] pooling '{}' is none of mean, cls, max, last", name);
}

std::vector<float> pool(const Tensor& hidden, Pooling pooling, bool normalize) {
  auto vector = pooled(hidden.data<float>(), static_cast<std::size_t>(hidden.shape()[1]), pooling);
  double squares = 0;
  for (const double value : vector) squares += value * value;
  const double divisor = normalize ? std::max(std::sqrt(squares), 1e-12) : 1;
  std::vector<float> result;
  for (const double value : vector) result.push_back(static_cast<float>(value / divisor));
  return result;
}

}  // namespace openinfer::cli
