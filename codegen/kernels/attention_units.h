// SPDX-License-Identifier: Apache-2.0
// The products of attention_tiles.cpp by matrix units of bf16: 32 lines at a time meet the keys and values that are
// staged, all of them finite.
#pragma once

#include "codegen/kernels/attention.h"

namespace openinfer::kernels {

/// Lines (a row's query head each) that matrix units take together.
inline constexpr int kUnitLines = 32;

class AttentionUnits {
 public:
  /// What is kept of each line, f32 or i32: D sums, the largest score, the sum of weights, the first key that it sees
  /// and the one behind the last.
  struct Lines {
    kir::Mem sums, largest, totals, begins, ends;
  };
  /// Declares its memory: for `most_lines` lines and `keys` keys at a time.
  AttentionUnits(kir::Build& k, const Attention& what, const Lines& lines, int most_lines, int keys);

  /// Element d of a line's query, times the scale.
  void store_query(const kir::Val& line, const kir::Val& d, const kir::Val& scaled) const;
  /// Keys and values (keys, D) as matrix units take them.
  void pair_up(const kir::Mem& as_stored, const kir::Mem& values) const;
  /// Lines [first, first + 32) meet the staged keys, of which the first is `key`: sums, largest and totals go on.
  void meet(const kir::Val& first, const kir::Val& key) const;

 private:
  void scores(const kir::Val& first) const;
  void find_top(const kir::Val& i, const kir::Val& line, const kir::Val& key) const;
  void weigh(const kir::Val& i, const kir::Val& line, const kir::Val& key) const;
  void add_values(const kir::Val& first) const;
  kir::Val sees(const kir::Val& line, const kir::Val& at) const;
  kir::Val power(const kir::Val& x) const;
  int vectors() const;

  kir::Build& k_;
  const Attention& what_;
  Lines lines_;
  int D_, keys_;
  kir::Mem queries_high_, queries_low_;   // bf16 (lines, D): the second what the first leaves
  kir::Mem keys_high_, keys_low_;         // pairs of d: (D / 2, keys)
  kir::Mem values_;                       // pairs of keys sixteen apart: (keys / 2, D)
  kir::Mem scores_, weights_, products_;  // (32, keys), pairs (32, keys / 2), (32, D)
  kir::Mem tops_, fades_;                 // of each line: its largest score, what its older sums are worth
};

}  // namespace openinfer::kernels
