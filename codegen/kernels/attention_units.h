// SPDX-License-Identifier: Apache-2.0
// The products of attention_tiles.cpp in bf16, by matrix units or by dot products of pairs: 32 lines at a time meet the
// keys and values that are staged, all of them finite.
#pragma once

#include <functional>

#include "codegen/kernels/attention.h"

namespace openinfer::kernels {

/// Lines (a row's query head each) that go together.
inline constexpr int kUnitLines = 32;

class AttentionUnits {
 public:
  /// What is kept of each line, f32 or i32: D sums, the largest score, the sum of weights, the first key that it sees
  /// (where there is a window) and the one behind the last.
  struct Lines {
    kir::Mem sums, largest, totals, begins, ends;
  };
  /// Declares its memory: for `most_lines` lines and `keys` keys at a time.
  AttentionUnits(kir::Build& k, const Attention& what, const Lines& lines, int most_lines, int keys);

  /// A line's query, which lies at `query`, times the scale.
  void store_query(const kir::Val& line, const kir::Mem& queries) const;
  /// Keys and values (keys, D) in pairs.
  void pair_up(const kir::Mem& as_stored, const kir::Mem& values) const;
  /// Lines [first, first + 32) meet the staged keys, of which the first is `key`: sums, largest and totals go on.
  void meet(const kir::Val& first, const kir::Val& key) const;

 private:
  // Of the staged keys only so many are seen by any line: in parts of as many as a fragment has, the last filled up.
  void scores(const kir::Val& first, const kir::Val& parts) const;
  void scores_of_pairs(const kir::Val& first, const kir::Val& parts) const;
  void each_vector(const kir::Val& parts, const std::function<void(const kir::Val& v)>& f) const;
  struct Pair {
    kir::Val high, low;
  };
  Pair pair(const kir::Mem& from, const kir::Val& at) const;
  void turn(const kir::Mem& as_stored, const kir::Val& key, const kir::Val& d) const;
  void find_top(const kir::Val& i, const kir::Val& line, const kir::Val& key, const kir::Val& parts) const;
  void weigh(const kir::Val& quad, const kir::Val& first, const kir::Val& key, const kir::Val& parts) const;
  void add_values(const kir::Val& first, const kir::Val& parts) const;
  void add_values_of_pairs(const kir::Val& first, const kir::Val& seen) const;
  kir::Val sees(const kir::Val& line, const kir::Val& at) const;
  kir::Val power(const kir::Val& x) const;
  int vectors() const;

  kir::Build& k_;
  const Attention& what_;
  Lines lines_;
  int D_, keys_;
  bool two_parts_;                        // of queries and keys: the second is what the first leaves
  kir::Mem queries_high_, queries_low_;   // pairs of d, D / 2 apart: (lines, D / 2)
  kir::Mem keys_high_, keys_low_;         // such pairs turned: (D / 2, keys)
  kir::Mem values_;                       // pairs of keys sixteen apart: (keys / 2, D)
  kir::Mem scores_, weights_, products_;  // (32, keys), pairs (32, keys / 2), (32, D)
  kir::Mem tops_, fades_;                 // of each line: its largest score, what its older sums are worth
};

}  // namespace openinfer::kernels
