// SPDX-License-Identifier: Apache-2.0
// How far two f32 tensors are apart, where sums were taken in another order: bounds scale with the output.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "openinfer/tensor.h"

namespace openinfer::testing {

/// The largest |a - b| in units of the largest |b|; infinite where only one of both is NaN or where infinities differ,
/// which no std::max over differences would see.
inline double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const auto got = a.data<float>(), want = b.data<float>();
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))) {
      if (std::isfinite(want[i])) largest = std::max(largest, std::abs(static_cast<double>(want[i])));
      continue;
    }
    if (!std::isfinite(got[i]) || !std::isfinite(want[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
    error = std::max(error, std::abs(static_cast<double>(got[i]) - want[i]));
  }
  if (error == 0) return 0;
  return largest == 0 ? std::numeric_limits<double>::infinity() : error / largest;
}

}  // namespace openinfer::testing
