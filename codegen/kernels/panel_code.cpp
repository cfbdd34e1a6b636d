// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/panel_code.h"

#include <algorithm>
#include <map>
#include <string>

#include "codegen/kernels/block_code.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Val;

/// Of four bits and perhaps a fifth: quants, fifth bits, scales, minima, in the order of the file.
PanelCode nibbles(const std::string& name, int zero, bool fifth, bool minimum) {
  PanelCode code = {.record = {name + "_x16", {{"qs", Kind::i8, 16 * kPanelRows}}},
                    .bits = fifth ? 5 : 4,
                    .zero = zero,
                    .fifth = fifth,
                    .has_minimum = minimum};
  if (fifth) code.record.fields.push_back({"qh", Kind::i8, 4 * kPanelRows});
  code.record.fields.push_back({"d", Kind::f16, kPanelRows});
  if (minimum) code.record.fields.push_back({"m", Kind::f16, kPanelRows});
  return code;
}
PanelCode bytes(const std::string& name) {
  return {.record = {name + "_x16", {{"qs", Kind::i8, 32 * kPanelRows}, {"d", Kind::f16, kPanelRows}}},
          .words = 8,
          .parts = 1,
          .sides = 1,
          .is_signed = true};
}

constexpr std::int64_t kPanelNibbles = 0x0f0f0f0f, kPanelPairs = 0x03030303, kPanelOnes = 0x01010101;

/// Four bytes of the lane's row in a field.
Val four_of_row(const PanelBlock& b, const char* field, const Val& number) {
  return bitcast(b.slot[field]((number * kPanelRows + b.row) * 4).packed(), Kind::i32);
}
/// Bits of byte `at` of the lane's row from `first` on.
Val bits_of_row(const PanelBlock& b, const char* field, const Val& at, int first, int mask) {
  return (four_of_row(b, field, at / 4) >> (at % 4 * 8 + first)) & mask;
}

/// The 6-bit scales and minima of q4_k and q5_k, as in block_code.cpp: `first` is 0 for scales and 4 for minima.
Val panel_bits(const PanelBlock& b, int first) {
  const Val& g = b.group;
  if (b.half == 0) return bits_of_row(b, "scales", g + first, 0, 63);
  if (b.half == 1)
    return bits_of_row(b, "scales", g + 4, first, 15) | (bits_of_row(b, "scales", first == 0 ? g - 4 : g, 6, 3) << 4);
  const Val low = bits_of_row(b, "scales", min(g + first, 11), 0, 63);
  const Val top = bits_of_row(b, "scales", first == 0 ? max(g - 4, 0) : g, 6, 3);
  return select(g < 4, low, bits_of_row(b, "scales", min(g + 4, 11), first, 15) | (top << 4));
}
Val panel_scale(const PanelBlock& b, int) { return Val(b.slot["d"](b.row)) * convert(panel_bits(b, 0), Kind::f32); }
Val panel_minimum(const PanelBlock& b) { return -(Val(b.slot["dmin"](b.row)) * convert(panel_bits(b, 4), Kind::f32)); }
Val panel_nibbles(const PanelBlock& b, const char* field, const Val& number, const Val& part) {
  return (four_of_row(b, field, number) >> (part * 4)) & kPanelNibbles;
}

Val panel_pair(const PanelBlock& b, const Val& number) { return four_of_row(b, "qs", b.group * 4 + number); }

PanelCode in_groups(std::string name, int bits, std::vector<kir::Record::Field> fields, PanelCode::Grouped grouped) {
  return {.record = {name + "_x16", std::move(fields)},
          .groups = 8,
          .words = 8,
          .parts = 1,
          .bits = bits,
          .sides = 1,
          .has_minimum = grouped.minimum != nullptr,
          .grouped = grouped};
}
PanelCode panels_of_q4_k() {
  return in_groups("q4_k", 4,
                   {{"qs", Kind::i8, 128 * kPanelRows},
                    {"scales", Kind::i8, 12 * kPanelRows},
                    {"d", Kind::f16, kPanelRows},
                    {"dmin", Kind::f16, kPanelRows}},
                   {.word = [](const PanelBlock& b,
                               const Val& i) { return panel_nibbles(b, "qs", b.group / 2 * 8 + i, b.group % 2); },
                    .scale = panel_scale,
                    .minimum = panel_minimum,
                    .pair = panel_pair});
}
PanelCode panels_of_q5_k() {
  return in_groups(
      "q5_k", 5,
      {{"qs", Kind::i8, 128 * kPanelRows},
       {"qh", Kind::i8, 32 * kPanelRows},
       {"scales", Kind::i8, 12 * kPanelRows},
       {"d", Kind::f16, kPanelRows},
       {"dmin", Kind::f16, kPanelRows}},
      {.word =
           [](const PanelBlock& b, const Val& i) {
             const Val high = (four_of_row(b, "qh", i) >> b.group) & kPanelOnes;
             return panel_nibbles(b, "qs", b.group / 2 * 8 + i, b.group % 2) | (high << 4);
           },
       .scale = panel_scale,
       .minimum = panel_minimum,
       .pair = panel_pair,
       .pair_fifth = [](const PanelBlock& b, const Val& number,
                        int odd) { return (four_of_row(b, "qh", number) >> (b.group + odd)) & kPanelOnes; }});
}
PanelCode panels_of_q6_k() {
  PanelCode code =
      in_groups("q6_k", 6,
                {{"ql", Kind::i8, 128 * kPanelRows},
                 {"qh", Kind::i8, 64 * kPanelRows},
                 {"scales", Kind::i8, 16 * kPanelRows},
                 {"d", Kind::f16, kPanelRows}},
                {.word =
                     [](const PanelBlock& b, const Val& i) {
                       const Val half = b.group / 4, quarter = b.group % 4;
                       const Val high = (four_of_row(b, "qh", half * 8 + i) >> (quarter * 2)) & kPanelPairs;
                       return panel_nibbles(b, "ql", half * 16 + quarter % 2 * 8 + i, quarter / 2) | (high << 4);
                     },
                 .scale =
                     [](const PanelBlock& b, int half) {
                       const Val scales = four_of_row(b, "scales", b.group / 2), byte = b.group % 2 * 2 + half;
                       return Val(b.slot["d"](b.row)) * convert((scales << (24 - byte * 8)) >> 24, Kind::f32);
                     },
                 .minimum = nullptr});
  code.zero = 32;
  code.scales = 2;
  return code;
}

const std::map<DType, PanelCode>& panel_codes() {
  static const std::map<DType, PanelCode> all = {
      {DType::q4_0, nibbles("q4_0", 8, false, false)},
      {DType::q4_1, nibbles("q4_1", 0, false, true)},
      {DType::q5_0, nibbles("q5_0", 16, true, false)},
      {DType::q5_1, nibbles("q5_1", 0, true, true)},
      {DType::q8_0, bytes("q8_0")},
      {DType::q4_k, panels_of_q4_k()},
      {DType::q5_k, panels_of_q5_k()},
      {DType::q6_k, panels_of_q6_k()},
  };
  return all;
}

int in_cache_line(const Build& k, const kir::Record::Field& field) {
  return k.target().cache_line_bytes / kir::info(field.kind).bytes;
}
/// Minima lie right behind their scales.
bool shares_line_of_d(const kir::Record::Field& field) { return field.name == "m" || field.name == "dmin"; }

}  // namespace

Val PanelCode::word(const PanelBlock& b, const Val& number) const {
  if (grouped.word) return grouped.word(b, number);
  return bitcast(b.slot["qs"](number * (4 * kPanelRows) + b.row * 4).packed(), Kind::i32);
}

Val PanelCode::fifth_bits(Build& k, const PanelBlock& b) const {
  if (!fifth) return {};
  return k.let("fifth", bitcast(b.slot["qh"](b.row * 4).packed(), Kind::i32));
}

Val PanelCode::quant(const Val& word, const Val& fifth_bits, const Val& number, const Val& byte,
                     const Val& part) const {
  if (is_signed) return convert((word << (24 - byte * 8)) >> 24, Kind::f32);  // the sign goes along
  Val q = parts == 1 ? (word >> (byte * 8)) & 255 : (word >> (byte * 8 + part * 4)) & 15;
  if (fifth) q = q | (((fifth_bits >> (number * 4 + byte + part * 16)) & 1) << 4);
  return convert(zero == 0 ? q : q - zero, Kind::f32);
}

Val PanelCode::placed_quant(const Val& word, const Val& fifth_bits, const Val& number, const Val& side, const Val& byte,
                            const Val& part) const {
  if (sides == 1) {
    const Val q = (word << (24 - byte * 8)) & static_cast<int>(0xFF000000u);
    return convert(zero == 0 ? q : q - (zero << 24), Kind::f32);
  }
  const Val bit = byte * 8 + part * 4;
  Val q = (word >> (side * 16)) & (word.build()->constant(15) << bit);
  if (fifth) q = q | (((fifth_bits >> (number * 4 + side * 2 + byte + part * 16)) & 1) << (bit + 4));
  if (zero == 0) return convert(q, Kind::f32);
  // As the low bits of 2^23 + q · 2^bit, whose last bit is worth 1: what q is above that is taken off with the zero.
  constexpr int kTwoTo23 = 1 << 23, kBitsOfTwoTo23 = 0x4b000000;
  const Val above = bitcast(q | kBitsOfTwoTo23, Kind::f32);
  return above - convert((word.build()->constant(zero) << bit) + kTwoTo23, Kind::f32);
}

Val PanelCode::placed_of_pair(const Val& word, const Val& fifth, const Val& side, const Val& byte, int odd) const {
  Build& k = *word.build();
  Val q = (word >> (side * 16)) & (k.constant(15 << (4 * odd)) << (byte * 8));
  if (grouped.pair_fifth) q = q | (((fifth >> (side * 16)) & (k.constant(1) << (byte * 8))) << (4 + 4 * odd));
  return convert(q, Kind::f32);
}

Val PanelCode::bytes(Build& k, const Val& word, const Val& fifth_bits, const Val& number, const Val& part) const {
  if (parts == 1) return bitcast(word, Kind::i8x4);
  const Val nibbles = (word >> (part * 4)) & 0x0f0f0f0f;
  if (!fifth) return bitcast(nibbles, Kind::i8x4);
  return bitcast(nibbles | spread_fifth_bits(k, (fifth_bits >> (number * 4 + part * 16)) & 15), Kind::i8x4);
}

Val PanelCode::scale(const PanelBlock& b, int half) const {
  return grouped.scale ? grouped.scale(b, half) : Val(b.slot["d"](b.row));
}
Val PanelCode::minimum(const PanelBlock& b) const {
  return grouped.minimum ? grouped.minimum(b) : Val(b.slot["m"](b.row));
}

Val PanelCode::element(Build& k, const kir::Mem& panels, const Val& row, const Val& columns, const Val& at) const {
  const Val panel = k.let("panel", row / kPanelRows), in_row = k.let("j", at % kPanelBlock);
  const Val place = k.let("block", panel * (columns / size()) + at / size());
  const Val group = groups == 1 ? k.constant(0) : k.let("group", at % size() / kPanelBlock);
  const PanelBlock b = {panels.block(place), k.let("row_in_panel", row % kPanelRows), group};
  const Val part = parts == 1 ? k.constant(0) : k.let("part", in_row / 16);
  const Val in_part = parts == 1 ? in_row : k.let("in_part", in_row % 16);
  const Val number = k.let("word", in_part / 4);
  const Val q = quant(word(b, number), fifth_bits(k, b), number, k.let("byte", in_part % 4), part);
  const Val d = scales == 1 ? scale(b) : k.let("d", select(in_row < 16, scale(b, 0), scale(b, 1)));
  return has_minimum ? d * q + minimum(b) : d * q;
}

void fetch_ahead(Build& k, const PanelCode& code, const kir::Slot& slot, const std::optional<Val>& group, int bytes) {
  const int tuned = k.target().tuned_or("prefetch_bytes", 4096), ahead = bytes == 0 ? tuned : bytes;
  if (tuned <= 0 || k.lanes() > kPanelRows) return;
  for (const kir::Record::Field& field : code.record.fields) {
    const int in_line = in_cache_line(k, field), lines = std::max(field.count / in_line, 1);
    const bool shared = lines % code.groups == 0;
    if (shared != group.has_value() || shares_line_of_d(field)) continue;
    const int share = shared ? lines / code.groups : lines;
    const Val first = shared ? *group * share : k.constant(0);
    k.each("line", share, [&](Val line) { k.prefetch(slot[field.name]((first + line) * in_line), ahead); });
  }
}

int lines_of_quants(const Build& k, const PanelCode& code) {
  return std::max(code.words * 4 * kPanelRows / k.target().cache_line_bytes, 1);
}

void fetch_line(Build& k, const PanelCode& code, const kir::Slot& slot, const Val& line, int bytes) {
  if (k.target().tuned_or("prefetch_bytes", 4096) <= 0 || k.lanes() > kPanelRows) return;
  for (const kir::Record::Field& field : code.record.fields) {
    if (shares_line_of_d(field)) continue;
    k.prefetch(slot[field.name](field.name == "qs" ? line * in_cache_line(k, field) : k.constant(0)), bytes);
  }
}

bool has_panel_code(DType dtype) { return panel_codes().contains(dtype); }

const PanelCode& panel_code(DType dtype) {
  const auto code = panel_codes().find(dtype);
  if (code == panel_codes().end()) fail(ErrorCode::internal, "[kernel] {} has no layout panel16", name(dtype));
  return code->second;
}

}  // namespace openinfer::kernels
