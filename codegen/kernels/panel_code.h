// SPDX-License-Identifier: Apache-2.0
// How kernels read layout panel16 (formats/opnf/spec.md): sixteen rows of blocks interleaved, so that lanes are rows
// and a panel is one stream. One PanelCode for each block format that has the layout, the only place that knows its
// bits.
//
// Blocks are of 32 elements, or of 256 in eight groups of 32. At one group of sixteen rows, a row has `words` of four
// quant bytes. Element 4·word + byte + 16·part of it is scale · quant(word, byte, part) + minimum.
#pragma once

#include <cstdint>
#include <optional>

#include "codegen/kernel_ir/build.h"
#include "openinfer/dtype.h"

namespace openinfer::kernels {

inline constexpr int kPanelRows = 16;
inline constexpr int kPanelBlock = 32;  // elements of a row's group, of every format that has panels

/// One block position of a panel, which of its sixteen rows a lane looks at, and which group of the block.
struct PanelBlock {
  kir::Slot slot;
  kir::Val row, group;
  int half = -1;  // of the block: the one that the group is in, 0 or 1, where that is known
};

struct PanelCode {
  kir::Record record;  // sixteen rows: {"q4_1_x16", {{"qs", i8, 256}, {"d", f16, 16}, {"m", f16, 16}}}
  int groups = 1;      // of a block
  int words = 4;       // of a row's group
  int parts = 2;       // quants in a byte
  int bits = 8;        // of a quant, at most
  int zero = 0;        // what the bits of the quant 0 are
  int sides = 2;       // of a word, whose quants are `placed`: halves of nibbles; bytes have one
  int scales = 1;      // of a group: two have a half of its elements each
  bool fifth = false;  // a fifth bit, in "qh"
  bool is_signed = false;
  bool has_minimum = false;
  /// Of formats in groups, whose quants come as bytes and whose scales are made of bits: see word, scale, minimum.
  struct Grouped {
    kir::Val (*word)(const PanelBlock&, const kir::Val& number) = nullptr;
    kir::Val (*scale)(const PanelBlock&, int half) = nullptr;
    kir::Val (*minimum)(const PanelBlock&) = nullptr;
    /// Of formats whose bytes have nibbles of two neighbouring groups, b's (which is even) and, high, the one behind.
    kir::Val (*pair)(const PanelBlock& b, const kir::Val& number) = nullptr;
    /// Where they have a fifth bit: bit 0 of each byte, `odd` of the group behind.
    kir::Val (*pair_fifth)(const PanelBlock& b, const kir::Val& number, int odd) = nullptr;
  };
  Grouped grouped = {};

  int size() const { return groups * kPanelBlock; }
  /// Four quant bytes, as i32.
  kir::Val word(const PanelBlock& b, const kir::Val& number) const;
  /// The fifth bits of a block, as i32; none in formats without.
  kir::Val fifth_bits(kir::Build& k, const PanelBlock& b) const;
  /// The quant as an f32 that is a small integer, from its word and the fifth bits.
  kir::Val quant(const kir::Val& word, const kir::Val& fifth_bits, const kir::Val& number, const kir::Val& byte,
                 const kir::Val& part) const;
  /// The same where it lies, in fewer operations: quant · 2^placed_exponent, exact. `byte` counts within the side.
  kir::Val placed_quant(const kir::Val& word, const kir::Val& fifth_bits, const kir::Val& number, const kir::Val& side,
                        const kir::Val& byte, const kir::Val& part) const;
  /// Of two groups, from grouped.pair and pair_fifth: the quant of element 4 · number + 2 · side + byte of the first
  /// group, or the one behind, times 2^(8 · byte + 4 · odd), exact.
  kir::Val placed_of_pair(const kir::Val& word, const kir::Val& fifth, const kir::Val& side, const kir::Val& byte,
                          int odd) const;
  /// Of place byte · parts + part.
  int placed_exponent(int place) const { return sides == 2 ? 4 * place : 24; }
  /// Four quants as bytes, each `zero` above its quant (signed where parts is 1): for integer dot products.
  kir::Val bytes(kir::Build& k, const kir::Val& word, const kir::Val& fifth_bits, const kir::Val& number,
                 const kir::Val& part) const;
  /// Of elements [16 · half, …) of the group, or of all of it.
  kir::Val scale(const PanelBlock& b, int half = 0) const;
  kir::Val minimum(const PanelBlock& b) const;
  /// Element `at` of row `row` of a matrix of `columns` columns, as f32. Any lane may ask for any place.
  kir::Val element(kir::Build& k, const kir::Mem& panels, const kir::Val& row, const kir::Val& columns,
                   const kir::Val& at) const;
};

/// Fetches the fields that the groups of a block share out, for that group; or, without one, the others: as far ahead
/// as `bytes`, or the target's tune.prefetch_bytes, say. Runs on into the next panel, which is this thread's next one.
void fetch_ahead(kir::Build& k, const PanelCode& code, const kir::Slot& slot,
                 const std::optional<kir::Val>& group = std::nullopt, int bytes = 0);
/// Lines of a block's quants: what fetch_line counts through.
int lines_of_quants(const kir::Build& k, const PanelCode& code);
/// Fetches one line of the quants of what lies `bytes` behind a block, and its other fields, which are few.
void fetch_line(kir::Build& k, const PanelCode& code, const kir::Slot& slot, const kir::Val& line, int bytes);

/// q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k.
bool has_panel_code(DType dtype);
/// Errors: internal for a dtype without one.
const PanelCode& panel_code(DType dtype);

}  // namespace openinfer::kernels
