// SPDX-License-Identifier: Apache-2.0
// What the block codecs share. A codec is a struct with kSize (elements of a block), kBytes, and `decode` of one block;
// loops over a block have constant lengths and work on local copies, so that compilers make vectors of them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

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

// --- lanes: the same lambda for one element and for eight ---
// With kWide the loops below work on eight 32-bit lanes at a time, for x86 with AVX2 and up; else on one element, which
// compilers make SSE or NEON of. Vectors go by reference: by value they have an ABI of their own per target.

typedef std::int32_t Int8 __attribute__((vector_size(32)));
typedef std::int32_t Int4 __attribute__((vector_size(16)));
typedef float Float8 __attribute__((vector_size(32)));
inline constexpr Int8 kIota8 = {0, 1, 2, 3, 4, 5, 6, 7};

OPENINFER_INLINE void to_float(const std::int32_t& q, float& y) { y = static_cast<float>(q); }
OPENINFER_INLINE void to_float(const Int8& q, Float8& y) { y = __builtin_convertvector(q, Float8); }
/// Bit i of `bits`, as 0 or `value`.
OPENINFER_INLINE void bit(std::uint32_t bits, const std::int32_t& i, std::int32_t value, std::int32_t& to) {
  to = static_cast<std::int32_t>(bits >> i & 1u) * value;
}
OPENINFER_INLINE void bit(std::uint32_t bits, const Int8& i, std::int32_t value, Int8& to) {
  const Int8 all = Int8{} + static_cast<std::int32_t>(bits);
  to = (all >> i & 1) * value;
}

/// Sixteen bytes as two times eight lanes; the bits above the byte are those of its neighbours.
OPENINFER_INLINE void spread_bytes(const Byte* p, Int8* lanes) {
  constexpr Int8 kShift = {0, 8, 16, 24, 0, 8, 16, 24};
  Int4 words;
  std::memcpy(&words, p, sizeof words);
  lanes[0] = __builtin_shufflevector(words, words, 0, 0, 0, 0, 1, 1, 1, 1) >> kShift;
  lanes[1] = __builtin_shufflevector(words, words, 2, 2, 2, 2, 3, 3, 3, 3) >> kShift;
}

/// f(q, i, y[i]) for the unsigned bytes q of n, shifted right by `shift` and masked; i counts from 0.
template <bool kWide, int n, class F>
OPENINFER_INLINE void each_byte(const Byte* p, int shift, int mask, float* y, F f) {
  static_assert(n % 16 == 0);
  if constexpr (kWide) {
    for (int at = 0; at < n; at += 16) {
      Int8 lanes[2];
      spread_bytes(p + at, lanes);
      for (int half = 0; half < 2; ++half) {
        const Int8 q = lanes[half] >> shift & mask, i = kIota8 + (at + 8 * half);
        Float8 out;
        f(q, i, out);
        std::memcpy(y + at + 8 * half, &out, sizeof out);
      }
    }
  } else {
    Byte local[n];
    std::memcpy(local, p, n);
    for (std::int32_t i = 0; i < n; ++i) f(std::int32_t{local[i] >> shift & mask}, i, y[i]);
  }
}

/// The two nibbles of n bytes: y[i] from the low ones, y[n + i] from the high ones; i counts through both.
template <bool kWide, int n, class F>
OPENINFER_INLINE void each_nibble(const Byte* p, float* y, F f) {
  each_byte<kWide, n>(p, 0, 15, y, f);
  each_byte<kWide, n>(p, 4, 15, y + n, [&](const auto& q, const auto& i, auto& out) OPENINFER_INLINE_LAMBDA {
    const std::decay_t<decltype(i)> behind = i + n;
    f(q, behind, out);
  });
}

/// y[i] = d · q for n signed bytes.
template <bool kWide, int n>
OPENINFER_INLINE void scaled_bytes(float d, const Byte* p, float* y) {
  each_byte<kWide, n>(p, 0, 255, y, [d](const auto& q, const auto&, auto& out) OPENINFER_INLINE_LAMBDA {
    const std::decay_t<decltype(q)> value = (q ^ 128) - 128;  // the byte's sign
    to_float(value, out);
    out = d * out;
  });
}

}  // namespace openinfer::codec
