// SPDX-License-Identifier: Apache-2.0
// Super-blocks of 256 with quantised scales, and the ternary ones. Source: ggml's block_q2_K … block_q6_K,
// block_iq4_xs, block_tq1_0 and block_tq2_0 (ggml-common.h).
#pragma once

#include "lib/base/codec_q.h"

namespace openinfer::codec {

struct Q2_K {  // byte scales[16] (minimum << 4 | scale), qs[64]; half d, dmin
  static constexpr int kSize = 256, kBytes = 84;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p + 80), dmin = read_half(p + 82);
    for (int g = 0; g < 16; ++g) {  // sixteen elements: 2-bit plane g / 2 % 4 of bytes [32·(g / 8) + 16·(g % 2), …)
      const float scale = d * static_cast<float>(p[g] & 15), minimum = dmin * static_cast<float>(p[g] >> 4);
      const Byte* q = p + 16 + 32 * (g / 8) + 16 * (g % 2);
      const int shift = 2 * (g / 2 % 4);
      for (int i = 0; i < 16; ++i) y[16 * g + i] = scale * static_cast<float>(q[i] >> shift & 3) - minimum;
    }
  }
};

struct Q3_K {  // byte hmask[32], qs[64], scales[12]; half d
  static constexpr int kSize = 256, kBytes = 110;
  /// 6-bit scale g: the low four bits lie in nibbles of bytes 0–7, the high two in pairs of bytes 8–11.
  static OPENINFER_INLINE int scale(const Byte* s, int g) {
    return (s[g % 8] >> (g / 8 * 4) & 15) | (s[8 + g % 4] >> (g / 4 * 2) & 3) << 4;
  }
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p + 108);
    for (int g = 0; g < 16; ++g) {
      const float dl = d * static_cast<float>(scale(p + 96, g) - 32);
      const Byte* q = p + 32 + 32 * (g / 8) + 16 * (g % 2);
      const Byte* high = p + 16 * (g % 2);  // bit g / 2 set: no offset
      const int shift = 2 * (g / 2 % 4), bit = g / 2;
      for (int i = 0; i < 16; ++i)
        y[16 * g + i] = dl * static_cast<float>((q[i] >> shift & 3) - (high[i] >> bit & 1 ? 0 : 4));
    }
  }
};

/// Eight 6-bit scales and minima of q4_k and q5_k in twelve bytes: the first four whole in the low bits of bytes 0–3
/// and 4–7, of the others four bits in bytes 8–11 and the high two in the top bits of bytes 0–7.
OPENINFER_INLINE int k_scale(const Byte* s, int g) {
  return g < 4 ? s[g] & 63 : (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
}
OPENINFER_INLINE int k_minimum(const Byte* s, int g) {
  return g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | (s[g] >> 6) << 4;
}

struct Q4_K {  // half d, dmin; byte scales[12], qs[128]
  static constexpr int kSize = 256, kBytes = 144;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p), dmin = read_half(p + 2);
    for (int g = 0; g < 8; ++g) {  // 32 elements: the low, then the high nibbles of 32 bytes
      const float scale = d * static_cast<float>(k_scale(p + 4, g));
      const float minimum = dmin * static_cast<float>(k_minimum(p + 4, g));
      each_byte<kWide, 32>(p + 16 + 32 * (g / 2), g % 2 * 4, 15, y + 32 * g,
                           [=](const auto& q, const auto&, auto& out) OPENINFER_INLINE_LAMBDA {
                             to_float(q, out);
                             out = scale * out - minimum;
                           });
    }
  }
};

struct Q5_K {  // half d, dmin; byte scales[12], qh[32], qs[128]
  static constexpr int kSize = 256, kBytes = 176;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p), dmin = read_half(p + 2);
    const Byte* scales = p + 4;
    Byte high[32];
    std::memcpy(high, p + 16, 32);
    for (int g = 0; g < 8; ++g) {
      Byte q[32];
      std::memcpy(q, p + 48 + 32 * (g / 2), 32);
      const float scale = d * static_cast<float>(k_scale(scales, g));
      const float minimum = dmin * static_cast<float>(k_minimum(scales, g));
      for (int i = 0; i < 32; ++i)
        y[32 * g + i] = scale * static_cast<float>((q[i] >> (g % 2 * 4) & 15) | (high[i] >> g & 1) << 4) - minimum;
    }
  }
};

struct Q6_K {  // byte ql[128], qh[64]; int8 scales[16]; half d
  static constexpr int kSize = 256, kBytes = 210;
  template <bool kWide>
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p + 208);
    for (int g = 0; g < 16; ++g) {  // of each half: 32 elements per nibble plane of ql and pair plane of qh
      const int half = g / 8, quarter = g / 2 % 4, part = 16 * (g % 2);
      const Byte* low = p + 64 * half + 32 * (quarter % 2) + part;
      const Byte* high = p + 128 + 32 * half + part;
      const float scale = d * static_cast<float>(static_cast<std::int8_t>(p[192 + g]));
      Byte six[16];
      for (int i = 0; i < 16; ++i)
        six[i] = static_cast<Byte>((low[i] >> (4 * (quarter / 2)) & 15) | (high[i] >> (2 * quarter) & 3) << 4);
      each_byte<kWide, 16>(six, 0, 63, y + 16 * g, [=](const auto& q, const auto&, auto& out) OPENINFER_INLINE_LAMBDA {
        const std::decay_t<decltype(q)> centred = q - 32;
        to_float(centred, out);
        out = scale * out;
      });
    }
  }
};

struct Iq4Xs {  // half d; uint16 scales_h; byte scales_l[4], qs[128]
  static constexpr int kSize = 256, kBytes = 136;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    const int scales_h = read<std::uint16_t>(p + 2);
    for (int g = 0; g < 8; ++g) {
      const int scale = (p[4 + g / 2] >> (g % 2 * 4) & 15) | (scales_h >> (2 * g) & 3) << 4;
      scaled_codes(d * static_cast<float>(scale - 32), kIq4Values, p + 8 + 16 * g, y + 32 * g);
    }
  }
};

struct Tq1_0 {  // byte qs[48], qh[4] (five and four base-3 digits each, as a fraction of 256, highest first); half d
  static constexpr int kSize = 256, kBytes = 54;
  template <int n>
  static OPENINFER_INLINE void digits(float d, const Byte* q, int count, float* y) {
    int power = 1;
    for (int digit = 0; digit < count; ++digit, power *= 3)
      for (int i = 0; i < n; ++i) {
        const int fraction = q[i] * power & 255;  // what is left behind the digits before
        y[n * digit + i] = d * static_cast<float>((fraction * 3 >> 8) - 1);
      }
  }
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p + 52);
    digits<32>(d, p, 5, y);
    digits<16>(d, p + 32, 5, y + 160);
    digits<4>(d, p + 48, 4, y + 240);
  }
};

struct Tq2_0 {  // byte qs[64], 2-bit planes of 32 bytes; half d
  static constexpr int kSize = 256, kBytes = 66;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p + 64);
    for (int g = 0; g < 8; ++g)
      for (int i = 0; i < 32; ++i)
        y[32 * g + i] = d * static_cast<float>((p[32 * (g / 4) + i] >> (2 * (g % 4)) & 3) - 1);
  }
};

}  // namespace openinfer::codec
