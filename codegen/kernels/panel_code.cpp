// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/panel_code.h"

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
          .sides = 1};
}

const std::map<DType, PanelCode>& panel_codes() {
  static const std::map<DType, PanelCode> all = {{DType::q4_0, nibbles("q4_0", 8, false, false)},
                                                 {DType::q4_1, nibbles("q4_1", 0, false, true)},
                                                 {DType::q5_0, nibbles("q5_0", 16, true, false)},
                                                 {DType::q5_1, nibbles("q5_1", 0, true, true)},
                                                 {DType::q8_0, bytes("q8_0")}};
  return all;
}

}  // namespace

Val PanelCode::word(const PanelBlock& b, const Val& number) const {
  return bitcast(b.slot["qs"](number * (4 * kPanelRows) + b.row * 4).packed(), Kind::i32);
}

Val PanelCode::fifth_bits(Build& k, const PanelBlock& b) const {
  if (!fifth) return {};
  return k.let("fifth", bitcast(b.slot["qh"](b.row * 4).packed(), Kind::i32));
}

Val PanelCode::quant(const Val& word, const Val& fifth_bits, const Val& number, const Val& byte,
                     const Val& part) const {
  if (parts == 1) return convert((word << (24 - byte * 8)) >> 24, Kind::f32);  // the sign goes along
  Val q = (word >> (byte * 8 + part * 4)) & 15;
  if (fifth) q = q | (((fifth_bits >> (number * 4 + byte + part * 16)) & 1) << 4);
  return convert(zero == 0 ? q : q - zero, Kind::f32);
}

Val PanelCode::placed_quant(const Val& word, const Val& fifth_bits, const Val& number, const Val& side, const Val& byte,
                            const Val& part) const {
  if (sides == 1) return convert((word << (24 - byte * 8)) & static_cast<int>(0xFF000000u), Kind::f32);
  const Val bit = byte * 8 + part * 4;
  Val q = (word >> (side * 16)) & (word.build()->constant(15) << bit);
  if (fifth) q = q | (((fifth_bits >> (number * 4 + side * 2 + byte + part * 16)) & 1) << (bit + 4));
  return convert(zero == 0 ? q : q - (word.build()->constant(zero) << bit), Kind::f32);
}

Val PanelCode::bytes(Build& k, const Val& word, const Val& fifth_bits, const Val& number, const Val& part) const {
  if (parts == 1) return bitcast(word, Kind::i8x4);
  const Val nibbles = (word >> (part * 4)) & 0x0f0f0f0f;
  if (!fifth) return bitcast(nibbles, Kind::i8x4);
  return bitcast(nibbles | spread_fifth_bits(k, (fifth_bits >> (number * 4 + part * 16)) & 15), Kind::i8x4);
}

Val PanelCode::scale(const PanelBlock& b) const { return b.slot["d"](b.row); }
Val PanelCode::minimum(const PanelBlock& b) const { return b.slot["m"](b.row); }

Val PanelCode::element(Build& k, const kir::Mem& panels, const Val& row, const Val& columns, const Val& at) const {
  const Val panel = k.let("panel", row / kPanelRows), in_row = k.let("j", at % kPanelBlock);
  const Val place = k.let("block", panel * (columns / kPanelBlock) + at / kPanelBlock);
  const PanelBlock b = {panels.block(place), k.let("row_in_panel", row % kPanelRows)};
  const Val part = parts == 1 ? k.constant(0) : k.let("part", in_row / 16);
  const Val in_part = parts == 1 ? in_row : k.let("in_part", in_row % 16);
  const Val number = k.let("word", in_part / 4);
  const Val q = quant(word(b, number), fifth_bits(k, b), number, k.let("byte", in_part % 4), part);
  return has_minimum ? scale(b) * q + minimum(b) : scale(b) * q;
}

bool has_panel_code(DType dtype) { return panel_codes().contains(dtype); }

const PanelCode& panel_code(DType dtype) {
  const auto code = panel_codes().find(dtype);
  if (code == panel_codes().end()) fail(ErrorCode::internal, "[kernel] {} has no layout panel16", name(dtype));
  return code->second;
}

}  // namespace openinfer::kernels
