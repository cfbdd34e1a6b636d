// SPDX-License-Identifier: Apache-2.0
// Super-blocks of 256 whose elements come from codebooks (iq_grids.h) with signs beside them. Source: ggml's
// block_iq1_s … block_iq3_s (ggml-common.h). The order of the products is the gguf library's.
#pragma once

#include "lib/base/codec.h"
#include "lib/base/iq_grids.h"

namespace openinfer::codec {

inline constexpr float kIq2Values[4] = {8, 25, 43, 0};
inline constexpr float kIq3xxsValues[8] = {4, 12, 20, 28, 36, 44, 52, 62};

/// Seven stored sign bits; the eighth makes their number even.
OPENINFER_INLINE unsigned even_signs(unsigned seven) {
  return seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7;
}

/// Eight elements of iq2: d · value · sign.
OPENINFER_INLINE void iq2_entry(float d, std::uint16_t entry, unsigned signs, float* y) {
  for (int i = 0; i < 8; ++i) {
    const float value = d * kIq2Values[entry >> (2 * i) & 3];
    y[i] = signs >> i & 1 ? -value : value;
  }
}
OPENINFER_INLINE float iq2_scale(float d, unsigned scale) { return d * (0.5f + static_cast<float>(scale)) * 0.25f; }

struct Iq2Xxs {  // half d; eight of {byte entry[4]; uint32 scale << 28 | 4 × 7 sign bits}
  static constexpr int kSize = 256, kBytes = 66;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    for (int g = 0; g < 8; ++g) {
      const Byte* entry = p + 2 + 8 * g;
      const auto word = read<std::uint32_t>(entry + 4);
      const float db = iq2_scale(d, word >> 28);
      for (int j = 0; j < 4; ++j)
        iq2_entry(db, kIq2xxsGrid[entry[j]], even_signs(word >> (7 * j) & 127), y + 32 * g + 8 * j);
    }
  }
};

struct Iq2Xs {  // half d; uint16 qs[32] (7 sign bits << 9 | entry); byte scales[8]
  static constexpr int kSize = 256, kBytes = 74;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    for (int j = 0; j < 32; ++j) {
      const unsigned q = read<std::uint16_t>(p + 2 + 2 * j);
      const float db = iq2_scale(d, p[66 + j / 4] >> (j / 2 % 2 * 4) & 15);
      iq2_entry(db, kIq2xsGrid[q & 511], even_signs(q >> 9), y + 8 * j);
    }
  }
};

struct Iq2S {  // half d; byte qs[32], signs[32], qh[8], scales[8]
  static constexpr int kSize = 256, kBytes = 82;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    for (int j = 0; j < 32; ++j) {
      const int entry = p[2 + j] | (p[66 + j / 4] >> (j % 4 * 2) & 3) << 8;
      const float db = iq2_scale(d, p[74 + j / 4] >> (j / 2 % 2 * 4) & 15);
      iq2_entry(db, kIq2sGrid[entry], p[34 + j], y + 8 * j);
    }
  }
};

struct Iq3Xxs {  // half d; byte entry[64]; uint32 of each 32: scale << 28 | 4 × 7 sign bits
  static constexpr int kSize = 256, kBytes = 98;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    for (int j = 0; j < 64; ++j) {
      const auto word = read<std::uint32_t>(p + 66 + 4 * (j / 8));
      const float db = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
      const unsigned signs = even_signs(word >> (7 * (j / 2 % 4)) & 127) >> (j % 2 * 4);
      for (int i = 0; i < 4; ++i) {
        const float value = db * kIq3xxsValues[kIq3xxsGrid[p[2 + j]] >> (4 * i) & 7];
        y[4 * j + i] = signs >> i & 1 ? -value : value;
      }
    }
  }
};

struct Iq3S {  // half d; byte qs[64], qh[8], signs[32], scales[4]
  static constexpr int kSize = 256, kBytes = 110;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    for (int j = 0; j < 64; ++j) {
      const int entry = p[2 + j] | (p[66 + j / 8] >> (j % 8) & 1) << 8;
      const float db = d * static_cast<float>(1 + 2 * (p[106 + j / 16] >> (j / 8 % 2 * 4) & 15));
      const int signs = p[74 + j / 2] >> (j % 2 * 4);
      for (int i = 0; i < 4; ++i) {
        const float value = db * static_cast<float>(2 * (kIq3sGrid[entry] >> (4 * i) & 7) + 1);
        y[4 * j + i] = signs >> i & 1 ? -value : value;
      }
    }
  }
};

/// Eight elements of iq1: d · (value ± 1/8).
OPENINFER_INLINE void iq1_entry(float d, std::uint16_t entry, bool negative, float* y) {
  const float delta = negative ? -0.125f : 0.125f;
  for (int i = 0; i < 8; ++i) y[i] = d * (static_cast<float>((entry >> (2 * i) & 3) - 1) + delta);
}

struct Iq1S {  // half d; byte qs[32]; uint16 of each 32: sign << 15 | scale << 12 | 4 × 3 high bits
  static constexpr int kSize = 256, kBytes = 50;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    const float d = read_half(p);
    for (int j = 0; j < 32; ++j) {
      const int high = read<std::uint16_t>(p + 34 + 2 * (j / 4));
      const float dl = d * static_cast<float>(2 * (high >> 12 & 7) + 1);
      iq1_entry(dl, kIq1sGrid[p[2 + j] | (high >> (j % 4 * 3) & 7) << 8], high & 0x8000, y + 8 * j);
    }
  }
};

struct Iq1M {  // byte qs[32], qh[16] (of each 8: sign << 3 | 3 high bits); uint16 scales[4] (4 × 3 bits, top: d's
               // nibble)
  static constexpr int kSize = 256, kBytes = 56;
  static OPENINFER_INLINE void decode(const Byte* p, float* y) {
    std::uint32_t scales[4], bits = 0;
    for (int i = 0; i < 4; ++i) {
      scales[i] = read<std::uint16_t>(p + 48 + 2 * i);
      bits |= scales[i] >> 12 << (4 * i);
    }
    const float d = half_bits_to_float(bits);
    for (int j = 0; j < 32; ++j) {
      const int high = p[32 + j / 2] >> (j % 2 * 4);
      const float dl = d * static_cast<float>(2 * (scales[j / 8] >> (j / 2 % 4 * 3) & 7) + 1);
      iq1_entry(dl, kIq1sGrid[p[j] | (high & 7) << 8], high & 8, y + 8 * j);
    }
  }
};

}  // namespace openinfer::codec
