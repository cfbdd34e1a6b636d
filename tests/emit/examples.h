// SPDX-License-Identifier: Apache-2.0
// The kernels that all languages are tried on: what they are given, and what must come out by loops of doubles.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "stored.h"

namespace openinfer::kernels {

struct Example {
  TemplateKernel made;
  Buffers buffers;
  std::map<std::string, std::int64_t> params;
  struct Result {
    std::string buffer;
    std::vector<double> values;
    double bound;  // |got - values|
  };
  std::vector<Result> results;

  std::int64_t groups() const;
  /// Of the kernel's global buffers, in their order.
  std::vector<std::span<std::byte>> memory();
  std::vector<std::int32_t> parameters() const;
};

/// Elementwise with a tail of lanes: gated = a · sigmoid(a) · b, ratio (f16) = gated / (c + 2).
Example chain(const kir::Target& target, std::int64_t rows = 3, std::int64_t width = 45);
/// Sums over all subgroups of a workgroup where there are several.
Example rms_norm(const kir::Target& target, std::int64_t rows = 5, std::int64_t width = 300);
/// y (N, M) = x (N, K) · Wᵀ + residual, W (M, K) of that dtype.
Example matvec(const kir::Target& target, DType weights, std::int64_t N = 3, std::int64_t K = 512, std::int64_t M = 21);
std::vector<Example> all_examples(const kir::Target& target);

/// Fails where a result is not within its bound.
void check_results(const Example& e);

}  // namespace openinfer::kernels
