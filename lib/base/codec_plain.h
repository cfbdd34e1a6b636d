// SPDX-License-Identifier: Apache-2.0
// Dtypes without scales: floats, integers, packed integers and ternary digits. to_float(element) in T, float or double.
#pragma once

#include <bit>
#include <limits>

#include "lib/base/codec.h"

namespace openinfer::codec {

/// f8e4m3: bias 7, no infinities, NaN where all exponent and mantissa bits are set; f8e5m2: IEEE-like, bias 15.
/// Source: Micikevicius et al. 2022, arXiv:2209.05433.
OPENINFER_INLINE float f8e4m3_to_float(Byte b) {
  const std::uint32_t magnitude = b & 0x7fu, sign = static_cast<std::uint32_t>(b & 0x80u) << 24;
  if (magnitude == 0x7fu) return std::bit_cast<float>(sign | 0x7fc00000u);
  const float value = std::bit_cast<float>(magnitude << 20) * 0x1p120f;  // exact; brings denormals up too
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}
OPENINFER_INLINE float f8e5m2_to_float(Byte b) { return half_bits_to_float(static_cast<std::uint32_t>(b) << 8); }

template <class S, class T, class F>
OPENINFER_INLINE void each(const Byte* src, T* dst, std::int64_t count, F to_float) {
  constexpr int kChunk = 32;
  std::int64_t i = 0;
  for (; i + kChunk <= count; i += kChunk) {
    S from[kChunk];
    std::memcpy(from, src + i * static_cast<std::int64_t>(sizeof(S)), sizeof from);
    for (int j = 0; j < kChunk; ++j) dst[i + j] = to_float(from[j]);
  }
  for (; i < count; ++i) dst[i] = to_float(read<S>(src + i * static_cast<std::int64_t>(sizeof(S))));
}

template <class S, class T>
OPENINFER_INLINE void numbers(const Byte* src, T* dst, std::int64_t count) {
  each<S>(src, dst, count, [](S x) { return static_cast<T>(x); });
}

/// Packed integers of `bits` bits, the lowest first.
template <int bits, bool is_signed, class T>
OPENINFER_INLINE void packed(const Byte* src, T* dst, std::int64_t count) {
  constexpr int kPerByte = 8 / bits, kMask = (1 << bits) - 1;
  for (std::int64_t i = 0; i < count; ++i) {
    const int code = src[i / kPerByte] >> (i % kPerByte * bits) & kMask;
    dst[i] = static_cast<T>(is_signed && code > kMask / 2 ? code - (kMask + 1) : code);
  }
}

/// t1: five base-3 digits a byte, the lowest first; digit d stands for d − 1.
template <class T>
OPENINFER_INLINE void base3(const Byte* src, T* dst, std::int64_t count) {
  constexpr int kPowers[5] = {1, 3, 9, 27, 81};
  for (std::int64_t i = 0; i < count; ++i) dst[i] = static_cast<T>(src[i / 5] / kPowers[i % 5] % 3 - 1);
}
/// t2: four 2-bit codes a byte, the lowest first; code c stands for c − 1 (3, which a writer never makes, for 2).
template <class T>
OPENINFER_INLINE void two_bit(const Byte* src, T* dst, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] = static_cast<T>((src[i / 4] >> (i % 4 * 2) & 3) - 1);
}

}  // namespace openinfer::codec
