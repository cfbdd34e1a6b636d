// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/block_code.h"

#include <map>

#include "codegen/kernels/kernel_template.h"
#include "codegen/kernels/panel_code.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Record;
using kir::Slot;
using kir::Val;

Val integer(Val v) { return convert(v, Kind::i32); }
/// Through i32: AVX2 has no conversion from u32, and the numbers are small.
Val number(Val v) { return convert(integer(v), Kind::f32); }
Val nibble(const Slot& b, std::string_view field, Val place, Val part) {
  return (integer(b[field](place)) >> (part * 4)) & 15;
}

// --- four quants at once ---

using Bytes = BlockCode::Bytes;
constexpr int kNibbles = 0x0f0f0f0f, kPairs = 0x03030303, kOnes = 0x01010101;

/// Four neighbouring bytes of a field as one i32.
Val four(const Slot& b, std::string_view field, Val place) { return bitcast(Val(b[field](place).packed()), Kind::i32); }
Val four_nibbles(const Slot& b, std::string_view field, Val place, Val part) {
  return (four(b, field, place) >> (part * 4)) & kNibbles;
}
Val bytes_of(Val word) { return bitcast(word, Kind::i8x4); }
Bytes signed_bytes() {
  return {.word = [](Build&, const Slot& b, Val g, Val, Val w) -> Val { return b["qs"](g * 32 + w * 4).packed(); },
          .is_signed = true};
}
/// Sixteen bytes: the low nibbles are part 0, the high ones part 1.
Bytes nibbles(int zero) {
  return {
      .word = [](Build&, const Slot& b, Val, Val part, Val w) { return bytes_of(four_nibbles(b, "qs", w * 4, part)); },
      .zero = zero};
}
/// The same with a fifth bit of each.
Bytes five_bits(int zero) {
  return {.word =
              [](Build& k, const Slot& b, Val, Val part, Val w) {
                const Val high = (integer(b["qh"](part * 2 + w / 2)) >> (w % 2 * 4)) & 15;
                return bytes_of(four_nibbles(b, "qs", w * 4, part) | spread_fifth_bits(k, high));
              },
          .zero = zero};
}

/// The scale is the field "d", the minimum "m".
Val d(Build&, const Slot& b, Val) { return b["d"]; }
Val m(Build&, const Slot& b, Val) { return b["m"]; }

/// Bit `r + 16·part` of the four bytes "qh", as the fifth bit of a quant.
Val fifth_bit(const Slot& b, Val part, Val r) { return ((integer(b["qh"](part * 2 + r / 8)) >> (r % 8)) & 1) << 4; }

BlockCode q4_0() {
  return {.record = {"q4_0", {{"d", Kind::f16, 1}, {"qs", Kind::u8, 16}}},
          .size = 32,
          .group = 32,
          .run = 16,
          .quant = [](Build&, const Slot& b, Val, Val part, Val r) { return number(nibble(b, "qs", r, part) - 8); },
          .scale = d,
          .minimum = {},
          .bytes = nibbles(8)};
}
BlockCode q4_1() {
  return {.record = {"q4_1", {{"d", Kind::f16, 1}, {"m", Kind::f16, 1}, {"qs", Kind::u8, 16}}},
          .size = 32,
          .group = 32,
          .run = 16,
          .quant = [](Build&, const Slot& b, Val, Val part, Val r) { return number(nibble(b, "qs", r, part)); },
          .scale = d,
          .minimum = m,
          .bytes = nibbles(0)};
}
BlockCode q5_0() {
  return {.record = {"q5_0", {{"d", Kind::f16, 1}, {"qh", Kind::u8, 4}, {"qs", Kind::u8, 16}}},
          .size = 32,
          .group = 32,
          .run = 16,
          .quant = [](Build&, const Slot& b, Val, Val part,
                      Val r) { return number((nibble(b, "qs", r, part) | fifth_bit(b, part, r)) - 16); },
          .scale = d,
          .minimum = {},
          .bytes = five_bits(16)};
}
BlockCode q5_1() {
  return {.record = {"q5_1", {{"d", Kind::f16, 1}, {"m", Kind::f16, 1}, {"qh", Kind::u8, 4}, {"qs", Kind::u8, 16}}},
          .size = 32,
          .group = 32,
          .run = 16,
          .quant = [](Build&, const Slot& b, Val, Val part,
                      Val r) { return number(nibble(b, "qs", r, part) | fifth_bit(b, part, r)); },
          .scale = d,
          .minimum = m,
          .bytes = five_bits(0)};
}
Val signed_byte(Build&, const Slot& b, Val g, Val, Val r) { return number(b["qs"](g * 32 + r)); }
BlockCode q8_0() {
  return {.record = {"q8_0", {{"d", Kind::f16, 1}, {"qs", Kind::i8, 32}}},
          .size = 32,
          .group = 32,
          .run = 32,
          .quant = signed_byte,
          .scale = d,
          .minimum = {},
          .bytes = signed_bytes()};
}
BlockCode q8_1() {
  return {.record = {"q8_1", {{"d", Kind::f16, 1}, {"s", Kind::f16, 1}, {"qs", Kind::i8, 32}}},
          .size = 32,
          .group = 32,
          .run = 32,
          .quant = signed_byte,
          .scale = d,
          .minimum = {},
          .bytes = signed_bytes()};
}
BlockCode q8_k() {
  return {.record = {"q8_k", {{"d", Kind::f32, 1}, {"qs", Kind::i8, 256}, {"bsums", Kind::i16, 16}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant = signed_byte,
          .scale = d,
          .minimum = {},
          .bytes = signed_bytes()};
}

/// Sixteen signed bytes as four words: the q-th.
Val codebook(Build& k, Val q) {
  return k.call(
      "iq4_value", {q},
      [&k](const std::vector<Val>& x) {
        // -127 -104 -83 -65 | -49 -35 -22 -10 | 1 13 25 38 | 53 69 89 113, the first lowest
        const Val low = select(x[0] < 4, k.constant(0xBFAD9881u, Kind::u32), k.constant(0xF6EADDCFu, Kind::u32));
        const Val high = select(x[0] < 12, k.constant(0x26190D01u, Kind::u32), k.constant(0x71594535u, Kind::u32));
        const Val word = convert(select(x[0] < 8, low, high), Kind::i32);
        const Val left = 24 - (x[0] % 4) * 8;
        return convert((word << left) >> 24, Kind::f32);
      },
      "the 16 levels of iq4", {"q"});
}
BlockCode iq4_nl() {
  return {.record = {"iq4_nl", {{"d", Kind::f16, 1}, {"qs", Kind::u8, 16}}},
          .size = 32,
          .group = 32,
          .run = 16,
          .quant = [](Build& k, const Slot& b, Val, Val part,
                      Val r) { return codebook(k, k.let("q", nibble(b, "qs", r, part))); },
          .scale = d,
          .minimum = {}};
}
BlockCode iq4_xs() {
  return {
      .record = {"iq4_xs",
                 {{"d", Kind::f16, 1}, {"scales_h", Kind::u16, 1}, {"scales_l", Kind::u8, 4}, {"qs", Kind::u8, 128}}},
      .size = 256,
      .group = 32,
      .run = 16,
      .quant = [](Build& k, const Slot& b, Val g, Val part,
                  Val r) { return codebook(k, k.let("q", nibble(b, "qs", g * 16 + r, part))); },
      .scale =
          [](Build&, const Slot& b, Val g) {
            const Val low = nibble(b, "scales_l", g / 2, g % 2);
            const Val high = (integer(b["scales_h"]) >> (g * 2)) & 3;
            return Val(b["d"]) * number((low | (high << 4)) - 32);
          },
      .minimum = {}};
}
BlockCode mxfp4() {
  return {.record = {"mxfp4", {{"e", Kind::u8, 1}, {"qs", Kind::u8, 16}}},
          .size = 32,
          .group = 32,
          .run = 16,
          .quant =
              [](Build& k, const Slot& b, Val, Val part, Val r) {
                return k.call(
                    "fp4_value", {k.let("q", nibble(b, "qs", r, part))},
                    [&k](const std::vector<Val>& x) {  // 0 1 2 3 4 6 8 12 by the low three bits, the fourth is the sign
                      const Val levels = k.constant(0xC8643210u, Kind::u32);
                      const Val size = convert((levels >> convert((x[0] & 7) * 4, Kind::u32)) & 15, Kind::i32);
                      return convert(select(x[0] < 8, size, -size), Kind::f32);
                    },
                    "e2m1, doubled", {"q"});
              },
          .scale =
              [](Build& k, const Slot& b, Val) {
                const Val e = k.let("e", integer(b["e"]));
                return bitcast(select(e < 2, (e + 1) << 21, (e - 1) << 23),
                               Kind::f32);  // 2^(e - 128), below 2 denormal
              },
          .minimum = {}};
}

BlockCode q2_k() {
  return {
      .record = {"q2_k", {{"scales", Kind::u8, 16}, {"qs", Kind::u8, 64}, {"d", Kind::f16, 1}, {"dmin", Kind::f16, 1}}},
      .size = 256,
      .group = 16,
      .run = 16,
      .quant =
          [](Build&, const Slot& b, Val g, Val, Val r) {
            const Val byte = integer(b["qs"]((g / 8) * 32 + (g % 2) * 16 + r));
            return number((byte >> ((g / 2) % 4 * 2)) & 3);
          },
      .scale = [](Build&, const Slot& b, Val g) { return Val(b["d"]) * number(integer(b["scales"](g)) & 15); },
      .minimum = [](Build&, const Slot& b, Val g) { return -(Val(b["dmin"]) * number(integer(b["scales"](g)) >> 4)); },
      .bytes = {.word = [](Build&, const Slot& b, Val g, Val, Val w) {
        const Val four_quants = four(b, "qs", (g / 8) * 32 + (g % 2) * 16 + w * 4);
        return bytes_of((four_quants >> ((g / 2) % 4 * 2)) & kPairs);
      }}};
}
BlockCode q3_k() {
  return {.record = {"q3_k",
                     {{"hmask", Kind::u8, 32}, {"qs", Kind::u8, 64}, {"scales", Kind::u8, 12}, {"d", Kind::f16, 1}}},
          .size = 256,
          .group = 16,
          .run = 16,
          .quant =
              [](Build&, const Slot& b, Val g, Val, Val r) {
                const Val low = (integer(b["qs"]((g / 8) * 32 + (g % 2) * 16 + r)) >> ((g / 2) % 4 * 2)) & 3;
                const Val high = (integer(b["hmask"]((g % 2) * 16 + r)) >> (g / 2)) & 1;
                return number((low | (high << 2)) - 4);
              },
          .scale =
              [](Build&, const Slot& b, Val g) {
                const Val low = nibble(b, "scales", g % 8, g / 8);
                const Val high = (integer(b["scales"](g % 4 + 8)) >> (g / 4 * 2)) & 3;
                return Val(b["d"]) * number((low | (high << 4)) - 32);
              },
          .minimum = {},
          .bytes = {.word =
                        [](Build&, const Slot& b, Val g, Val, Val w) {
                          const Val low = four(b, "qs", (g / 8) * 32 + (g % 2) * 16 + w * 4) >> ((g / 2) % 4 * 2);
                          const Val high = four(b, "hmask", (g % 2) * 16 + w * 4) >> (g / 2);
                          return bytes_of((low & kPairs) | ((high & kOnes) << 2));
                        },
                    .zero = 4}};
}

/// The 6-bit scales and minima of q4_k and q5_k: `first` is 0 for scales and 4 for minima.
Val k_bits(const Slot& b, Val g, int first) {
  const Val low = integer(b["scales"](min(g + first, 11)));  // g < 4: whole, in the low six bits
  const Val top = integer(b["scales"](max(g - 4 + first, 0)));
  const Val shared = integer(b["scales"](min(g + 4, 11)));
  const Val four = first == 0 ? shared & 15 : shared >> 4;
  return select(g < 4, low & 63, four | ((top >> 6) << 4));
}
Val k_scale(Build&, const Slot& b, Val g) { return Val(b["d"]) * number(k_bits(b, g, 0)); }
Val k_minimum(Build&, const Slot& b, Val g) { return -(Val(b["dmin"]) * number(k_bits(b, g, 4))); }

BlockCode q4_k() {
  return {.record = {"q4_k",
                     {{"d", Kind::f16, 1}, {"dmin", Kind::f16, 1}, {"scales", Kind::u8, 12}, {"qs", Kind::u8, 128}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant = [](Build&, const Slot& b, Val g, Val,
                      Val r) { return number(nibble(b, "qs", (g / 2) * 32 + r, g % 2)); },
          .scale = k_scale,
          .minimum = k_minimum,
          .bytes = {.word = [](Build&, const Slot& b, Val g, Val, Val w) {
            return bytes_of(four_nibbles(b, "qs", (g / 2) * 32 + w * 4, g % 2));
          }}};
}
BlockCode q5_k() {
  return {.record = {"q5_k",
                     {{"d", Kind::f16, 1},
                      {"dmin", Kind::f16, 1},
                      {"scales", Kind::u8, 12},
                      {"qh", Kind::u8, 32},
                      {"qs", Kind::u8, 128}}},
          .size = 256,
          .group = 32,
          .run = 32,
          .quant =
              [](Build&, const Slot& b, Val g, Val, Val r) {
                const Val high = (integer(b["qh"](r)) >> g) & 1;
                return number(nibble(b, "qs", (g / 2) * 32 + r, g % 2) | (high << 4));
              },
          .scale = k_scale,
          .minimum = k_minimum,
          .bytes = {.word = [](Build&, const Slot& b, Val g, Val, Val w) {
            const Val high = (four(b, "qh", w * 4) >> g) & kOnes;
            return bytes_of(four_nibbles(b, "qs", (g / 2) * 32 + w * 4, g % 2) | (high << 4));
          }}};
}
BlockCode q6_k() {
  return {
      .record = {"q6_k", {{"ql", Kind::u8, 128}, {"qh", Kind::u8, 64}, {"scales", Kind::i8, 16}, {"d", Kind::f16, 1}}},
      .size = 256,
      .group = 16,
      .run = 16,
      .quant =
          [](Build&, const Slot& b, Val g, Val, Val r) {
            const Val half = g / 8, quarter = (g / 2) % 4, odd = g % 2;
            const Val low = nibble(b, "ql", half * 64 + (quarter % 2) * 32 + odd * 16 + r, quarter / 2);
            const Val high = (integer(b["qh"](half * 32 + odd * 16 + r)) >> (quarter * 2)) & 3;
            return number((low | (high << 4)) - 32);
          },
      .scale = [](Build&, const Slot& b, Val g) { return Val(b["d"]) * number(b["scales"](g)); },
      .minimum = {},
      .bytes = {.word =
                    [](Build&, const Slot& b, Val g, Val, Val w) {
                      const Val half = g / 8, quarter = (g / 2) % 4, odd = g % 2;
                      const Val low =
                          four_nibbles(b, "ql", half * 64 + (quarter % 2) * 32 + odd * 16 + w * 4, quarter / 2);
                      const Val high = (four(b, "qh", half * 32 + odd * 16 + w * 4) >> (quarter * 2)) & kPairs;
                      return bytes_of(low | (high << 4));
                    },
                .zero = 32}};
}
BlockCode tq2_0() {
  return {
      .record = {"tq2_0", {{"qs", Kind::u8, 64}, {"d", Kind::f16, 1}}},
      .size = 256,
      .group = 32,
      .run = 32,
      .quant = [](Build&, const Slot& b, Val g, Val,
                  Val r) { return number(((integer(b["qs"]((g / 4) * 32 + r)) >> (g % 4 * 2)) & 3) - 1); },
      .scale = d,
      .minimum = {},
      .bytes = {.word = [](Build&, const Slot& b, Val g, Val,
                           Val w) { return bytes_of((four(b, "qs", (g / 4) * 32 + w * 4) >> (g % 4 * 2)) & kPairs); },
                .zero = 1}};
}

std::map<DType, BlockCode> all_codes() {
  std::map<DType, BlockCode> all = {{DType::q4_0, q4_0()},     {DType::q4_1, q4_1()},       {DType::q5_0, q5_0()},
                                    {DType::q5_1, q5_1()},     {DType::q8_0, q8_0()},       {DType::q8_1, q8_1()},
                                    {DType::q8_k, q8_k()},     {DType::iq4_nl, iq4_nl()},   {DType::mxfp4, mxfp4()},
                                    {DType::iq4_xs, iq4_xs()}, {DType::q2_k, q2_k()},       {DType::q3_k, q3_k()},
                                    {DType::q4_k, q4_k()},     {DType::q5_k, q5_k()},       {DType::q6_k, q6_k()},
                                    {DType::tq2_0, tq2_0()},   {DType::tq1_0, tq1_0_code()}};
  all.merge(codebook_codes());
  return all;
}

const std::map<DType, BlockCode>& block_codes() {
  static const std::map<DType, BlockCode> all = all_codes();
  return all;
}

}  // namespace

Val spread_fifth_bits(Build& k, const Val& bits) {
  return k.call("fifth_bits", {bits}, [](const std::vector<Val>& x) { return ((x[0] * 0x204081) & kOnes) << 4; },
                "bit j of x at bit 4 of byte j", {"x"});
}

bool has_block_code(DType dtype) { return block_codes().contains(dtype); }
bool has_byte_code(DType dtype) { return has_block_code(dtype) && block_code(dtype).bytes; }

const BlockCode& block_code(DType dtype) {
  const auto code = block_codes().find(dtype);
  if (code == block_codes().end()) fail(ErrorCode::unsupported, "[kernel] {} is no block format", name(dtype));
  return code->second;
}
bool needs_codebooks(DType dtype) { return has_block_code(dtype) && block_code(dtype).codebook; }

StoredMatrix::StoredMatrix(Build& k, std::string_view name, DType dtype, Layout layout, std::string_view comment,
                           const std::optional<AffineCode>& affine)
    : k_(&k), affine_(affine) {
  if (layout == Layout::panel16) {
    panel_ = &panel_code(dtype);
    memory_ = k.in(name, panel_->record, comment);
  } else if (is_block(dtype)) {
    code_ = &block_code(dtype);
    memory_ = k.in(name, code_->record, comment);
    if (code_->codebook) codebooks(k);
  } else if ((packed_ = packed_code(dtype))) {
    memory_ = k.in(name, Kind::u8, comment);
  } else {
    memory_ = k.in(name, memory_kind(dtype), comment);
  }
  if (!affine_) return;
  scale_ = std::make_shared<StoredMatrix>(k, std::string(name) + "_scale", affine_->scale);
  if (affine_->zero) zero_ = std::make_shared<StoredMatrix>(k, std::string(name) + "_zero", *affine_->zero);
}

Val StoredMatrix::number(Val stored, Val row, Val at) const {
  if (!affine_) return stored;
  const auto f32_of = [](const Val& v) { return v.kind() == Kind::f32 ? v : convert(v, Kind::f32); };
  const Val none = k_->constant(0), place = k_->let("place", affine_->places.of(row, at, none));
  const Val scale = f32_of(scale_->element(none, none, place)), q = f32_of(stored);
  return zero_ ? (q - f32_of(zero_->element(none, none, place))) * scale : q * scale;
}

Val StoredMatrix::element(Val row, Val columns, Val at) const {
  if (panel_) return panel_->element(*k_, memory_, row, columns, at);
  if (packed_) {
    const int n = packed_->per_byte;
    const Val byte = k_->let("byte", integer(memory_[n == 1 ? row * columns + at : row * (columns / n) + at / n]));
    return number(packed_->value(*k_, byte, n == 1 ? k_->constant(0) : at % n), row, at);
  }
  if (!code_) return number(memory_[row * columns + at], row, at);
  const BlockCode& c = *code_;
  const Val block = k_->let("block", row * (columns / c.size) + at / c.size);
  const Slot b = memory_.block(block);
  const Val in_block = k_->let("j", at % c.size);
  const Val g = k_->let("g", in_block / c.group), in_group = in_block % c.group;
  const Val value = c.scale(*k_, b, g) * c.quant(*k_, b, g, in_group / c.run, in_group % c.run);
  return c.minimum ? value + c.minimum(*k_, b, g) : value;
}

}  // namespace openinfer::kernels
