// SPDX-License-Identifier: Apache-2.0
// The one definition of a sum: sixteen partial sums by index mod 16, added as a fixed tree. Every sum and dot product
// of the reference is this one, so that its bits depend on nothing but its terms.
#pragma once

#include <cstdint>

namespace openinfer {

inline constexpr int kPartialSums = 16;

/// Σ term(i) for 0 ≤ i < n in T.
template <class T, class Term>
T sum16_of(std::int64_t n, Term term) {
  T partial[kPartialSums] = {};
  std::int64_t i = 0;
  for (; i + kPartialSums <= n; i += kPartialSums)
    for (int j = 0; j < kPartialSums; ++j) partial[j] += term(i + j);
  for (int j = 0; i < n; ++i, ++j) partial[j] += term(i);
  for (int half = kPartialSums / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) partial[j] += partial[j + half];
  return partial[0];
}

template <class T>
T sum16(const T* x, std::int64_t n) {
  return sum16_of<T>(n, [x](std::int64_t i) { return x[i]; });
}

}  // namespace openinfer
