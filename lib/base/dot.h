// SPDX-License-Identifier: Apache-2.0
// The one definition of a sum: sixteen partial sums by index mod 16, added as a fixed tree. Every sum and dot product
// of the reference is this one, so that its bits depend on nothing but its terms.
//
//   p[j] = ((0 + t[j]) + t[j + 16]) + t[j + 32] + …          for 0 ≤ j < 16, each + rounded
//   the tree: p[j] += p[j + 8] for j < 8; p[j] += p[j + 4] for j < 4; p[0] += p[2], p[1] += p[3]; p[0] + p[1]
//
// A term of +0 changes nothing (no partial sum is ever −0), so zeros may pad a row, and terms that are exactly zero
// may be left out. The terms of a dot product are the rounded products: no contraction.
#pragma once

#include <cstdint>

#include "lib/base/simd.h"

namespace openinfer {

inline constexpr int kPartialSums = 16;

/// The tree: the sum of the sixteen partial sums, which it overwrites.
template <class T>
T add_partial_sums(T* partial) {
  for (int half = kPartialSums / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) partial[j] += partial[j + half];
  return partial[0];
}

/// Σ term(i) for 0 ≤ i < n in T.
template <class T, class Term>
T sum16_of(std::int64_t n, Term term) {
  T partial[kPartialSums] = {};
  std::int64_t i = 0;
  for (; i + kPartialSums <= n; i += kPartialSums)
    for (int j = 0; j < kPartialSums; ++j) partial[j] += term(i + j);
  const int rest = static_cast<int>(n - i);
  for (int j = 0; j < rest; ++j) partial[j] += term(i + j);
  return add_partial_sums(partial);
}

template <class T>
T sum16(const T* x, std::int64_t n) {
  return sum16_of<T>(n, [x](std::int64_t i) { return x[i]; });
}

/// Σ a[i]·b[i]: the definition. Acc: float or double.
template <class Acc>
Acc dot16(const Acc* a, const Acc* b, std::int64_t n) {
  return sum16_of<Acc>(n, [a, b](std::int64_t i) { return a[i] * b[i]; });
}

/// `n` rounded up to whole groups of sixteen: the row length that dot_tile wants.
constexpr std::int64_t padded16(std::int64_t n) { return (n + kPartialSums - 1) / kPartialSums * kPartialSums; }

/// Rows of a matrix: row r begins at data + r · stride.
template <class Acc>
struct Rows {
  const Acc* data;
  std::int64_t count;
  std::int64_t stride;
};

/// y[m · y_stride + n] = dot16(row m of x, row n of w) over k elements, k a multiple of 16 (pad with zeros): the same
/// bits as dot16 for every m and n, whatever the counts. Built for rows of w that stay in the first-level cache.
void dot_tile(const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y, std::int64_t y_stride);
void dot_tile(const Rows<double>& x, const Rows<double>& w, std::int64_t k, double* y, std::int64_t y_stride);

/// partial[j·d + i] += weights[t] · row t of v [i], with j = (first + t) mod 16: the partial sums of Σ_t
/// weights[t]·v[t], a vector of d elements, 16·d of them. Rows of weight skip[t] are left out, whatever they hold.
void add_weighted_rows(const float* weights, const bool* skip, std::int64_t first, const Rows<float>& v, std::int64_t d,
                       float* partial);
void add_weighted_rows(const double* weights, const bool* skip, std::int64_t first, const Rows<double>& v,
                       std::int64_t d, double* partial);

namespace dot_detail {
/// The instruction set by hand: for tests that hold all of them to the same bits. `level` must not exceed
/// simd_level().
void dot_tile(Simd level, const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y, std::int64_t y_stride);
}  // namespace dot_detail

}  // namespace openinfer
