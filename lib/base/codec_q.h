// SPDX-License-Identifier: Apache-2.0
// Blocks of 32 with one scale. Source: ggml's block_q4_0 … block_q8_1, block_iq4_nl and block_mxfp4 (ggml-common.h).
// Products are written d·q (+ m) as ggml writes them.
#pragma once

#include "lib/base/codec.h"

namespace openinfer::codec {

struct Q4_0 {  // half d; byte qs[16]
  static constexpr int kSize = 32, kBytes = 18;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    each_nibble<kWide, 16>(p + 2, y, [d](const auto& q, const auto&, auto& out) OPENINFER_INLINE_LAMBDA {
      const std::decay_t<decltype(q)> centred = q - 8;
      to_float(centred, out);
      out = d * out;
    });
  }
};

struct Q4_1 {  // half d, m; byte qs[16]
  static constexpr int kSize = 32, kBytes = 20;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p), m = read_half(p + 2);
    each_nibble<kWide, 16>(p + 4, y, [d, m](const auto& q, const auto&, auto& out) OPENINFER_INLINE_LAMBDA {
      to_float(q, out);
      out = d * out + m;
    });
  }
};

struct Q5_0 {  // half d; byte qh[4] (bit i is the fifth of element i), qs[16]
  static constexpr int kSize = 32, kBytes = 22;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    const auto high = read<std::uint32_t>(p + 2);
    each_nibble<kWide, 16>(p + 6, y, [d, high](const auto& q, const auto& i, auto& out) OPENINFER_INLINE_LAMBDA {
      std::decay_t<decltype(q)> five;
      bit(high, i, 16, five);
      five = (five | q) - 16;
      to_float(five, out);
      out = d * out;
    });
  }
};

struct Q5_1 {  // half d, m; byte qh[4], qs[16]
  static constexpr int kSize = 32, kBytes = 24;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p), m = read_half(p + 2);
    const auto high = read<std::uint32_t>(p + 4);
    each_nibble<kWide, 16>(p + 8, y, [d, m, high](const auto& q, const auto& i, auto& out) OPENINFER_INLINE_LAMBDA {
      std::decay_t<decltype(q)> five;
      bit(high, i, 16, five);
      five = five | q;
      to_float(five, out);
      out = d * out + m;
    });
  }
};

struct Q8_0 {  // half d; int8 qs[32]
  static constexpr int kSize = 32, kBytes = 34;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    scaled_bytes<kWide, 32>(read_half(p), p + 2, y);
  }
};

struct Q8_1 {  // half d, s (= d · the sum of qs, for dot products only); int8 qs[32]
  static constexpr int kSize = 32, kBytes = 36;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) { scaled_bytes<false, 32>(read_half(p), p + 4, y); }
};

struct Q8_K {  // float d; int8 qs[256]; int16 bsums[16] (for dot products only)
  static constexpr int kSize = 256, kBytes = 292;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) { scaled_bytes<false, 256>(read<float>(p), p + 4, y); }
};

inline constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
inline constexpr float kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};  // e2m1, doubled

OPENINFER_INLINE void scaled_codes(float d, const float* values, const Byte* p, float* y) {
  each_nibble<false, 16>(p, y, [d, values](int q, int, float& out) { out = d * values[q]; });
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
