// SPDX-License-Identifier: Apache-2.0
// What the block codecs share. A codec is a struct with kSize (elements of a block), kBytes, and `decode` of one block;
// loops over a block have constant lengths and work on local copies, so that compilers make vectors of them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "lib/base/simd.h"
#include "openinfer/half.h"

namespace openinfer::codec {

using Byte = std::uint8_t;

template <class T>
OPENINFER_INLINE T read(const Byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

/// half_to_float without branches: a multiplication brings the exponent up, exactly, also for denormals.
OPENINFER_INLINE float half_bits_to_float(std::uint32_t h) {
  const std::uint32_t magnitude = h & 0x7fffu;
  const float finite = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const std::uint32_t quiet = magnitude > 0x7c00u ? 0x400000u : 0u;
  const std::uint32_t special = 0x7f800000u | quiet | (magnitude << 13);
  const std::uint32_t bits = magnitude >= 0x7c00u ? special : std::bit_cast<std::uint32_t>(finite);
  return std::bit_cast<float>(bits | (h & 0x8000u) << 16);
}

OPENINFER_INLINE float read_half(const Byte* p) { return half_bits_to_float(read<std::uint16_t>(p)); }

/// y[i] = f(q) for the nibbles q of n bytes: low ones first, then the high ones. f(q, i) also gets the place.
template <int n, class F>
OPENINFER_INLINE void each_nibble(const Byte* p, float* y, F f) {
  Byte q[n];
  std::memcpy(q, p, n);
  for (int i = 0; i < n; ++i) y[i] = f(q[i] & 15, i);
  for (int i = 0; i < n; ++i) y[n + i] = f(q[i] >> 4, n + i);
}

}  // namespace openinfer::codec
