// SPDX-License-Identifier: Apache-2.0
// dot_tile: the sixteen partial sums of one dot product are one vector; a block of MR rows of x and NR rows of w keeps
// MR · NR of them in registers.
#include "lib/base/dot.h"

#include <cstring>

namespace openinfer {
namespace {

typedef float F16 __attribute__((vector_size(64)));
typedef float F8 __attribute__((vector_size(32)));
typedef float F4 __attribute__((vector_size(16)));

// Vectors go by reference and through memcpy: passing 64-byte vectors by value has an ABI of its own per target.
OPENINFER_INLINE float add_tree(const float* p) {
  F8 a[2];
  std::memcpy(a, p, sizeof a);
  const F8 eight = a[0] + a[1];
  F4 b[2];
  std::memcpy(b, &eight, sizeof b);
  const F4 four = b[0] + b[1];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/// V: the machine's vector; sixteen partial sums are kParts of them.
template <class V, int MR, int NR>
OPENINFER_INLINE void dot_block(const float* x, std::int64_t x_stride, const float* w, std::int64_t w_stride,
                                std::int64_t k, float* y, std::int64_t y_stride) {
  constexpr int kLanes = sizeof(V) / sizeof(float), kParts = kPartialSums / kLanes;
  V sums[MR][NR][kParts] = {};
  for (std::int64_t i = 0; i < k; i += kPartialSums) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) {
      V b[NR];
#pragma GCC unroll 4
      for (int n = 0; n < NR; ++n) std::memcpy(&b[n], w + n * w_stride + i + part * kLanes, sizeof(V));
#pragma GCC unroll 4
      for (int m = 0; m < MR; ++m) {
        V a;
        std::memcpy(&a, x + m * x_stride + i + part * kLanes, sizeof(V));
#pragma GCC unroll 4
        for (int n = 0; n < NR; ++n) sums[m][n][part] += a * b[n];
      }
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < MR; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) {
      float partial[kPartialSums];
      std::memcpy(partial, sums[m][n], sizeof partial);
      y[m * y_stride + n] = add_tree(partial);
    }
  }
}

template <class V, int MR, int NR>
OPENINFER_INLINE void dot_columns(const float* x, std::int64_t x_stride, const Rows<float>& w, std::int64_t k, float* y,
                                  std::int64_t y_stride) {
  std::int64_t n = 0;
  for (; n + NR <= w.count; n += NR)
    dot_block<V, MR, NR>(x, x_stride, w.data + n * w.stride, w.stride, k, y + n, y_stride);
  for (; n < w.count; ++n) dot_block<V, MR, 1>(x, x_stride, w.data + n * w.stride, w.stride, k, y + n, y_stride);
}

/// NR1: rows of w at once when a single row of x is left.
template <class V, int MR, int NR, int NR1>
OPENINFER_INLINE void dot_all(const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y,
                              std::int64_t y_stride) {
  std::int64_t m = 0;
  for (; m + MR <= x.count; m += MR)
    dot_columns<V, MR, NR>(x.data + m * x.stride, x.stride, w, k, y + m * y_stride, y_stride);
  for (; m < x.count; ++m) dot_columns<V, 1, NR1>(x.data + m * x.stride, x.stride, w, k, y + m * y_stride, y_stride);
}

template <class Acc>
OPENINFER_INLINE void add_rows(const Acc* weights, const bool* skip, std::int64_t first, const Rows<Acc>& v,
                               std::int64_t d, Acc* partial) {
  for (std::int64_t t = 0; t < v.count; ++t) {
    if (skip[t]) continue;
    const Acc weight = weights[t];
    const Acc* __restrict row = v.data + t * v.stride;
    Acc* __restrict sum = partial + (first + t) % kPartialSums * d;
    std::int64_t i = 0;
    for (; i + kPartialSums <= d; i += kPartialSums)
      for (int j = 0; j < kPartialSums; ++j) sum[i + j] += weight * row[i + j];
    for (; i < d; ++i) sum[i] += weight * row[i];
  }
}

// Registers decide the block: thirty-two of 64 bytes, sixteen of 32, sixteen of 16 bytes.
void dot_generic(const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y, std::int64_t y_stride) {
  dot_all<F4, 1, 2, 2>(x, w, k, y, y_stride);
}
void rows_generic(const float* weights, const bool* skip, std::int64_t first, const Rows<float>& v, std::int64_t d,
                  float* partial) {
  add_rows(weights, skip, first, v, d, partial);
}
#if OPENINFER_HAS_X86_SIMD
OPENINFER_AVX2 void dot_avx2(const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y,
                             std::int64_t y_stride) {
  dot_all<F8, 1, 4, 4>(x, w, k, y, y_stride);
}
OPENINFER_AVX512 void dot_avx512(const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y,
                                 std::int64_t y_stride) {
  dot_all<F16, 4, 4, 4>(x, w, k, y, y_stride);
}
OPENINFER_AVX2 void rows_avx2(const float* weights, const bool* skip, std::int64_t first, const Rows<float>& v,
                              std::int64_t d, float* partial) {
  add_rows(weights, skip, first, v, d, partial);
}
OPENINFER_AVX512 void rows_avx512(const float* weights, const bool* skip, std::int64_t first, const Rows<float>& v,
                                  std::int64_t d, float* partial) {
  add_rows(weights, skip, first, v, d, partial);
}
#endif

}  // namespace

void dot_detail::dot_tile(Simd level, const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y,
                          std::int64_t y_stride) {
#if OPENINFER_HAS_X86_SIMD
  if (level == Simd::avx512) return dot_avx512(x, w, k, y, y_stride);
  if (level == Simd::avx2) return dot_avx2(x, w, k, y, y_stride);
#endif
  static_cast<void>(level);
  dot_generic(x, w, k, y, y_stride);
}

void dot_tile(const Rows<float>& x, const Rows<float>& w, std::int64_t k, float* y, std::int64_t y_stride) {
  dot_detail::dot_tile(simd_level(), x, w, k, y, y_stride);
}

void dot_tile(const Rows<double>& x, const Rows<double>& w, std::int64_t k, double* y, std::int64_t y_stride) {
  for (std::int64_t m = 0; m < x.count; ++m)
    for (std::int64_t n = 0; n < w.count; ++n)
      y[m * y_stride + n] = dot16(x.data + m * x.stride, w.data + n * w.stride, k);
}

void add_weighted_rows(const float* weights, const bool* skip, std::int64_t first, const Rows<float>& v, std::int64_t d,
                       float* partial) {
#if OPENINFER_HAS_X86_SIMD
  if (simd_level() == Simd::avx512) return rows_avx512(weights, skip, first, v, d, partial);
  if (simd_level() == Simd::avx2) return rows_avx2(weights, skip, first, v, d, partial);
#endif
  rows_generic(weights, skip, first, v, d, partial);
}

void add_weighted_rows(const double* weights, const bool* skip, std::int64_t first, const Rows<double>& v,
                       std::int64_t d, double* partial) {
  add_rows(weights, skip, first, v, d, partial);
}

}  // namespace openinfer
