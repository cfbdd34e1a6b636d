// SPDX-License-Identifier: Apache-2.0
// iq1, iq2 and iq3: elements are entries of codebooks, which kernels read from a buffer, with signs beside them.
// lib/base/codec_iq.h gives the same values; entries are packed as lib/base/iq_grids.h says.
#include <algorithm>
#include <iterator>

#include "codegen/kernels/block_code.h"
#include "lib/base/iq_grids.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Slot;
using kir::Val;

/// Where each codebook starts in the buffer.
constexpr int kIq1sStart = 0, kIq2xxsStart = 2048, kIq2xsStart = 2304, kIq2sStart = 2816, kIq3xxsStart = 3840,
              kIq3sStart = 4096, kCodebookEnd = 4608;

Val field_value(const Slot& b, std::string_view field, const Val& place) { return convert(b[field](place), Kind::i32); }
Val entry_of(Build& k, int start, const Val& number) {
  return k.let("entry", convert(codebooks(k)[start + number], Kind::i32));
}
/// Half of a byte: `upper` is 0 or 1.
Val half_byte(const Slot& b, std::string_view field, const Val& place, const Val& upper) {
  return (field_value(b, field, place) >> (upper * 4)) & 15;
}

/// Seven stored sign bits; the eighth makes their number even: bit x of 0x6996 is the parity of four bits.
Val all_signs(Build& k, const Val& seven) {
  return k.call("even_signs", {seven},
                [&k](const std::vector<Val>& x) {
                  const Val folded = (x[0] ^ (x[0] >> 4)) & 15;
                  return x[0] | (((k.constant(0x6996) >> folded) & 1) << 7);
                },
                "seven sign bits and an eighth that makes their number even", {"seven"});
}
Val with_sign(const Val& value, const Val& signs, const Val& bit) {
  return select(((signs >> bit) & 1) == 0, value, -value);
}

/// Code `at` of an entry of iq2: 8, 25, 43.
Val iq2_level(Build& k, const Val& entry, const Val& at) {
  return k.call("iq2_level", {entry, at},
                [&k](const std::vector<Val>& x) {
                  const Val code = (x[0] >> (x[1] * 2)) & 3;
                  return convert((k.constant(0x2B1908) >> (code * 8)) & 255, Kind::f32);
                },
                "8, 25 or 43: one of an entry's eight codes", {"entry", "at"});
}
Val iq2_group_scale(const Val& d, const Val& scale) { return d * (0.5 + convert(scale, Kind::f32)) * 0.25; }

BlockCode iq2_xxs() {  // of each 32: four bytes of entries, then scale << 28 | 4 × 7 sign bits
  return {.record = {"iq2_xxs", {{"d", Kind::f16, 1}, {"qs", Kind::u16, 32}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val j = k.let("j", r / 8), at = k.let("at", r & 7);
                const Val number = (field_value(b, "qs", g * 4 + j / 2) >> (j % 2 * 8)) & 255;
                const Val word =
                    k.let("word", field_value(b, "qs", g * 4 + 2) | (field_value(b, "qs", g * 4 + 3) << 16));
                const Val signs = k.let("signs", all_signs(k, (word >> (j * 7)) & 127));
                return with_sign(iq2_level(k, entry_of(k, kIq2xxsStart, number), at), signs, at);
              },
          .scale = [](Build&, const Slot& b,
                      const Val& g) { return iq2_group_scale(b["d"], field_value(b, "qs", g * 4 + 3) >> 12); },
          .minimum = {},
          .codebook = true};
}
BlockCode iq2_xs() {  // of each 8: 7 sign bits << 9 | entry
  return {.record = {"iq2_xs", {{"d", Kind::f16, 1}, {"qs", Kind::u16, 32}, {"scales", Kind::u8, 8}}},
          .size = 256,
          .group = 16,
          .run = 16,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val at = k.let("at", r & 7), q = k.let("q", field_value(b, "qs", g * 2 + r / 8));
                const Val signs = k.let("signs", all_signs(k, q >> 9));
                return with_sign(iq2_level(k, entry_of(k, kIq2xsStart, q & 511), at), signs, at);
              },
          .scale = [](Build&, const Slot& b,
                      const Val& g) { return iq2_group_scale(b["d"], half_byte(b, "scales", g / 2, g % 2)); },
          .minimum = {},
          .codebook = true};
}
BlockCode iq2_s() {  // of each 8: a byte of the entry, two bits more in qh, a byte of signs
  return {.record = {"iq2_s",
                     {{"d", Kind::f16, 1},
                      {"qs", Kind::u8, 32},
                      {"signs", Kind::u8, 32},
                      {"qh", Kind::u8, 8},
                      {"scales", Kind::u8, 8}}},
          .size = 256,
          .group = 16,
          .run = 16,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val at = k.let("at", r & 7), j = k.let("j", g * 2 + r / 8);
                const Val high = (field_value(b, "qh", j / 4) >> (j % 4 * 2)) & 3;
                const Val entry = entry_of(k, kIq2sStart, field_value(b, "qs", j) | (high << 8));
                return with_sign(iq2_level(k, entry, at), k.let("signs", field_value(b, "signs", j)), at);
              },
          .scale = [](Build&, const Slot& b,
                      const Val& g) { return iq2_group_scale(b["d"], half_byte(b, "scales", g / 2, g % 2)); },
          .minimum = {},
          .codebook = true};
}
BlockCode iq3_xxs() {  // of each 4: a byte of the entry; of each 32: scale << 28 | 4 × 7 sign bits
  return {.record = {"iq3_xxs", {{"d", Kind::f16, 1}, {"qs", Kind::u8, 64}, {"words", Kind::u16, 16}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val word =
                    k.let("word", field_value(b, "words", g * 2) | (field_value(b, "words", g * 2 + 1) << 16));
                const Val signs = k.let("signs", all_signs(k, (word >> (r / 8 * 7)) & 127));
                const Val entry = entry_of(k, kIq3xxsStart, field_value(b, "qs", g * 8 + r / 4));
                const Val code = (entry >> (r % 4 * 4)) & 7;  // 4, 12, 20 … 52, 62
                const Val level = convert(code * 8 + select(code < 7, k.constant(4), k.constant(6)), Kind::f32);
                return with_sign(level, signs, r & 7);
              },
          .scale =
              [](Build&, const Slot& b, const Val& g) {
                const Val scale = convert(field_value(b, "words", g * 2 + 1) >> 12, Kind::f32);
                return Val(b["d"]) * (0.5 + scale) * 0.5;
              },
          .minimum = {},
          .codebook = true};
}
BlockCode iq3_s() {  // of each 4: a byte of the entry, a bit more in qh; of each 8 a byte of signs
  return {.record = {"iq3_s",
                     {{"d", Kind::f16, 1},
                      {"qs", Kind::u8, 64},
                      {"qh", Kind::u8, 8},
                      {"signs", Kind::u8, 32},
                      {"scales", Kind::u8, 4}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val j = k.let("j", r / 4);
                const Val high = (field_value(b, "qh", g) >> j) & 1;
                const Val entry = entry_of(k, kIq3sStart, field_value(b, "qs", g * 8 + j) | (high << 8));
                const Val level = convert(((entry >> (r % 4 * 4)) & 7) * 2 + 1, Kind::f32);
                return with_sign(level, k.let("signs", field_value(b, "signs", g * 4 + r / 8)), r & 7);
              },
          .scale =
              [](Build&, const Slot& b, const Val& g) {
                return Val(b["d"]) * convert(half_byte(b, "scales", g / 2, g % 2) * 2 + 1, Kind::f32);
              },
          .minimum = {},
          .codebook = true};
}

/// Code `at` of an entry of iq1, −1, 0 or 1, and an eighth more or less.
Val iq1_level(Build& k, const Val& entry, const Val& at, const Val& negative) {
  const Val code = convert(((entry >> (at * 2)) & 3) - 1, Kind::f32);
  return code + select(negative == 0, k.constant(0.125), k.constant(-0.125));
}
BlockCode iq1_s() {  // of each 32: sign << 15 | scale << 12 | 4 × 3 high bits
  return {.record = {"iq1_s", {{"d", Kind::f16, 1}, {"qs", Kind::u8, 32}, {"qh", Kind::u16, 8}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val j = k.let("j", r / 8), high = k.let("high", field_value(b, "qh", g));
                const Val number = field_value(b, "qs", g * 4 + j) | (((high >> (j * 3)) & 7) << 8);
                return iq1_level(k, entry_of(k, kIq1sStart, number), r & 7, high >> 15);
              },
          .scale =
              [](Build&, const Slot& b, const Val& g) {
                const Val scale = (field_value(b, "qh", g) >> 12) & 7;
                return Val(b["d"]) * convert(scale * 2 + 1, Kind::f32);
              },
          .minimum = {},
          .codebook = true};
}

/// The bits of an f16 as an f32; nothing on the way is a denormal f32.
Val half_of_bits(Build& k, const Val& bits) {
  return k.call("half_value", {bits},
                [](const std::vector<Val>& x) {
                  const Val magnitude = x[0] & 0x7fff;
                  const Val normal = bitcast((magnitude << 13) + (112 << 23), Kind::f32);
                  const Val special = bitcast((magnitude << 13) | (255 << 23), Kind::f32);
                  const Val small = convert(magnitude, Kind::f32) * 0x1p-24;
                  const Val size = select(magnitude < 1024, small, select(magnitude < 0x7c00, normal, special));
                  return select(x[0] < 0x8000, size, -size);
                },
                "the f16 of these bits", {"bits"});
}
BlockCode iq1_m() {  // qh of each 8: sign << 3 | 3 high bits; scales: four times three bits, above them d's nibbles
  return {.record = {"iq1_m", {{"qs", Kind::u8, 32}, {"qh", Kind::u8, 16}, {"scales", Kind::u16, 4}}},
          .size = 256,
          .group = 16,
          .run = 16,
          .quant =
              [](Build& k, const Slot& b, const Val& g, const Val&, const Val& r) {
                const Val high = k.let("high", half_byte(b, "qh", g, r / 8));
                const Val number = field_value(b, "qs", g * 2 + r / 8) | ((high & 7) << 8);
                return iq1_level(k, entry_of(k, kIq1sStart, number), r & 7, high >> 3);
              },
          .scale =
              [](Build& k, const Slot& b, const Val& g) {
                Val bits = field_value(b, "scales", k.constant(0)) >> 12;
                for (int i = 1; i < 4; ++i) bits = bits | ((field_value(b, "scales", k.constant(i)) >> 12) << (4 * i));
                const Val scale = (field_value(b, "scales", g / 4) >> (g % 4 * 3)) & 7;
                return half_of_bits(k, bits) * convert(scale * 2 + 1, Kind::f32);
              },
          .minimum = {},
          .codebook = true};
}

}  // namespace

std::map<DType, BlockCode> codebook_codes() {
  return {{DType::iq1_s, iq1_s()}, {DType::iq1_m, iq1_m()},     {DType::iq2_xxs, iq2_xxs()}, {DType::iq2_xs, iq2_xs()},
          {DType::iq2_s, iq2_s()}, {DType::iq3_xxs, iq3_xxs()}, {DType::iq3_s, iq3_s()}};
}

kir::Mem codebooks(Build& k) {
  const auto& buffers = k.kernel().buffers;
  const auto known = std::find_if(buffers.begin(), buffers.end(), [](const auto& b) { return b.name == kCodebooks; });
  if (known != buffers.end()) return {&k, static_cast<int>(known - buffers.begin())};
  return k.in(kCodebooks, Kind::u16, "of iq1, iq2 and iq3");
}

std::vector<std::uint16_t> codebook_entries() {
  std::vector<std::uint16_t> all(kCodebookEnd);
  const auto put = [&](int start, const auto& grid) {
    std::copy(std::begin(grid), std::end(grid), all.begin() + start);
  };
  put(kIq1sStart, kIq1sGrid);
  put(kIq2xxsStart, kIq2xxsGrid);
  put(kIq2xsStart, kIq2xsGrid);
  put(kIq2sStart, kIq2sGrid);
  put(kIq3xxsStart, kIq3xxsGrid);
  put(kIq3sStart, kIq3sGrid);
  return all;
}

}  // namespace openinfer::kernels
