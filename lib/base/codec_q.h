// SPDX-License-Identifier: Apache-2.0
// Blocks of 32 with one scale. Source: ggml's block_q4_0 … block_q8_1, block_iq4_nl and block_mxfp4 (ggml-common.h).
// Products are written d·q (+ m) as ggml writes them.
#pragma once

#include "lib/base/codec.h"

namespace openinfer::codec {

struct Q4_0 {  // half d; byte qs[16]
  static constexpr int kSize = 32, kBytes = 18;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    each_nibble<16>(p + 2, y, [d](int q, int) { return d * static_cast<float>(q - 8); });
  }
};

struct Q4_1 {  // half d, m; byte qs[16]
  static constexpr int kSize = 32, kBytes = 20;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p), m = read_half(p + 2);
    each_nibble<16>(p + 4, y, [d, m](int q, int) { return d * static_cast<float>(q) + m; });
  }
};

/// The fifth bit of element i: bit i of the word.
OPENINFER_INLINE int fifth(std::uint32_t high, int i) { return static_cast<int>(high >> i & 1u) << 4; }

struct Q5_0 {  // half d; byte qh[4], qs[16]
  static constexpr int kSize = 32, kBytes = 22;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    const auto high = read<std::uint32_t>(p + 2);
    each_nibble<16>(p + 6, y, [=](int q, int i) { return d * static_cast<float>((q | fifth(high, i)) - 16); });
  }
};

struct Q5_1 {  // half d, m; byte qh[4], qs[16]
  static constexpr int kSize = 32, kBytes = 24;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p), m = read_half(p + 2);
    const auto high = read<std::uint32_t>(p + 4);
    each_nibble<16>(p + 8, y, [=](int q, int i) { return d * static_cast<float>(q | fifth(high, i)) + m; });
  }
};

/// n signed bytes times d.
template <int n>
OPENINFER_INLINE void scaled_bytes(float d, const Byte* p, float* y) {
  std::int8_t q[n];
  std::memcpy(q, p, n);
  for (int i = 0; i < n; ++i) y[i] = d * static_cast<float>(q[i]);
}

struct Q8_0 {  // half d; int8 qs[32]
  static constexpr int kSize = 32, kBytes = 34;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) { scaled_bytes<32>(read_half(p), p + 2, y); }
};

struct Q8_1 {  // half d, s (= d · the sum of qs, for dot products only); int8 qs[32]
  static constexpr int kSize = 32, kBytes = 36;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) { scaled_bytes<32>(read_half(p), p + 4, y); }
};

struct Q8_K {  // float d; int8 qs[256]; int16 bsums[16] (for dot products only)
  static constexpr int kSize = 256, kBytes = 292;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) { scaled_bytes<256>(read<float>(p), p + 4, y); }
};

inline constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
inline constexpr float kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};  // e2m1, doubled

OPENINFER_INLINE void scaled_codes(float d, const float* values, const Byte* p, float* y) {
  each_nibble<16>(p, y, [d, values](int q, int) { return d * values[q]; });
}

struct Iq4Nl {  // half d; byte qs[16]
  static constexpr int kSize = 32, kBytes = 18;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) { scaled_codes(read_half(p), kIq4Values, p + 2, y); }
};

struct Mxfp4 {  // byte e, the scale 2^(e − 127); byte qs[16]. The values are doubled, so the scale is halved.
  static constexpr int kSize = 32, kBytes = 17;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const std::uint32_t e = p[0];
    const std::uint32_t half_scale = e < 2 ? 0x00200000u << e : (e - 1) << 23;  // denormal below 2
    scaled_codes(std::bit_cast<float>(half_scale), kFp4Values, p + 1, y);
  }
};

}  // namespace openinfer::codec
