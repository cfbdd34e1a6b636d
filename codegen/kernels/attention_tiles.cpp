// SPDX-License-Identifier: Apache-2.0
// Attention where shared memory is a core's cache: a workgroup takes neighbouring rows and all query heads of one
// key/value head. Keys are turned so that lanes are keys, once for all of them, and a key's values serve them all.
// Matrix units, or dot products of pairs, of bf16 multiply where the target has them and a tile's keys and values are
// finite (attention_units.h).
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "codegen/kernels/attention.h"
#include "codegen/kernels/attention_units.h"
#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Rate;
using kir::Reg;
using kir::Tile;
using kir::Val;

constexpr std::int32_t kInfinityBits = 0x7f800000;
/// What rounds to an infinity of bf16, or is one.
constexpr std::int32_t kInfinityBitsOfBf16 = 0x7f7f8000;
/// Of a workgroup's lines: they lie on a thread's stack.
constexpr std::int64_t kMostBytes = 1 << 20;
/// Lines (a row's query head each) whose sums are in registers together.
constexpr int kLines = 4;

/// Smaller differences weigh as this one, e^-80 of the largest, which no sum in f32 sees: denormal weights would take a
/// hundred times as long.
constexpr double kLeast = -80;

/// Vectors of keys, or of a value, that meet kLines lines in registers: sums in half of 16 registers, or of 32.
int vectors_of(const kir::Target& target) { return target.lanes >= 16 ? 4 : 2; }

class TiledAttention {
 public:
  TiledAttention(Build& k, const Attention& what)
      : k_(k),
        what_(what),
        D_(static_cast<int>(what.head_dim)),
        group_(static_cast<int>(what.heads / what.kv_heads)),
        keys_(vectors_of(k.target()) * k.lanes()),
        together_(has_attention_units(k.target(), what) ? kUnitLines : kLines),
        most_lines_((attention_tile_rows(k.target(), what) * group_ + together_ - 1) / together_ * together_) {
    q_ = k.in("q", memory_kind(what.q), "(N, H * D)");
    keys_memory_ = k.in("k", memory_kind(what.kv), "(slots, Hk, C, D)");
    values_memory_ = k.in("v", memory_kind(what.kv), "(slots, Hk, C, D)");
    pos_ = k.in("pos", Kind::i32, "(N)");
    if (what.has_slot) slot_ = k.in("slot", Kind::i32, "(N)");
    if (what.int8)
      blocks_of_y_.emplace(k, "y");
    else
      y_ = k.out("y", memory_kind(what.q), "(N, H * D)");
    queries_ = k.shared("queries", Kind::f32, most_lines_ * D_);
    sums_ = k.shared("sums", Kind::f32, most_lines_ * D_);
    largest_ = k.shared("largest", Kind::f32, most_lines_);
    totals_ = k.shared("totals", Kind::f32, most_lines_);
    if (what.window > 0) begins_ = k.shared("begins", Kind::i32, most_lines_);
    ends_ = k.shared("ends", Kind::i32, most_lines_);
    turned_ = k.shared("turned_keys", Kind::f32, D_ * keys_);
    keys_as_stored_ = k.shared("staged_keys", Kind::f32, keys_ * D_);
    values_ = k.shared("values", Kind::f32, keys_ * D_);
    weights_ = k.shared("weights", Kind::f32, kLines * keys_);
    if (together_ == kUnitLines)
      units_.emplace(k, what, AttentionUnits::Lines{sums_, largest_, totals_, begins_, ends_}, most_lines_, keys_);
  }

  /// Rows of one slot go together; where slots mix, each row alone.
  void run() {
    const int height = attention_tile_rows(k_.target(), what_);
    const Val N = value_of(k_, what_.rows);
    const Val tiles = k_.let("n_tiles", (N + (height - 1)) / height);
    kv_head_ = k_.let("kv_head", k_.group() / tiles);
    // First, last, second, last but one, …: threads take neighbours, and later rows see more keys.
    const Val i = k_.let("i", k_.group() % tiles);
    const Val tile = k_.let("tile", select(i % 2 == 0, i / 2, tiles - 1 - i / 2));
    const Val first = k_.let("first_row", tile * height), count = k_.let("n_rows", min(N - first, height));
    if (!what_.has_slot) return rows(first, count);
    const Reg mixed = k_.var("mixed", Kind::i32, Rate::group);
    k_.for_("m", 1, count, [&](Val m) { mixed = select(slot_[first + m].load() == slot_[first], Val(mixed), 1); });
    const Val parts = k_.let("parts", select(mixed == 0, 1, count)),
              size = k_.let("size", select(mixed == 0, count, 1));
    k_.for_("part", 0, parts, [&](Val part) { rows(k_.let("row", first + part * size), size); });
  }

 private:
  /// Rows [row, row + count): one slot, in whose cache each sees keys of its own.
  void rows(const Val& row, const Val& count) {
    const Val C = value_of(k_, what_.keys);
    lines_ = k_.let("n_lines", count * group_);
    quads_ = k_.let("n_quads", (lines_ + (kLines - 1)) / kLines);
    Val padded = quads_ * kLines;
    if (units_) {  // which take as long for one line as for all of theirs
      by_units_ = k_.let("by_units", lines_ >= kUnitLines / 2);
      blocks_ = k_.let("n_blocks", (lines_ + (kUnitLines - 1)) / kUnitLines);
      padded = k_.let("n_padded", select(by_units_, blocks_ * kUnitLines, padded));
    }
    Val block = k_.constant(0);
    if (what_.has_slot) block = k_.let("slot_of_rows", max(min(slot_[row].load(), value_of(k_, what_.slots) - 1), 0));
    kv_first_ = k_.let("kv_first", (block * what_.kv_heads + kv_head_) * C * D_);
    const Reg begin = k_.var("begin", Kind::i32, Rate::group, C), end = k_.var("end", Kind::i32, Rate::group);
    k_.for_("line", 0, padded, [&](Val line) {
      const Val from = k_.let("from", row + min(line, lines_ - 1) / group_);
      const Val own = k_.let("own", pos_[from]);
      const Val own_end = k_.let("own_end", max(min(own + 1, C), 0));
      const Val own_begin = what_.window > 0 ? k_.let("own_begin", max(own + 1 - what_.window, 0)) : k_.constant(0);
      begin = min(Val(begin), own_begin), end = max(Val(end), own_end);
      if (what_.window > 0) begins_[line] = own_begin;
      ends_[line] = own_end;
      largest_[line] = k_.constant(kLowest), totals_[line] = k_.constant(0.0);
      const Val at = k_.let("q_at", query(from, min(line, lines_ - 1)));
      k_.for_lanes("d", 0, D_, [&](Val d) {
        const Val scaled = f32_of(q_[at + d]) * what_.scale;
        queries_[line * D_ + d] = scaled;
        sums_[line * D_ + d] = k_.constant(0.0);
      });
      if (!units_) return;
      k_.barrier();
      units_->store_query(line, queries_);
    });
    k_.for_(
        "key", begin, end,
        [&](Val key) {
          const Val n = k_.let("n_keys", min(end - key, keys_));
          const Staged now = stage(key, n);
          if (!units_) return all_lines(key, n, now.finite);
          k_.if_(
              now.paired,
              [&] {
                k_.for_("block", 0, blocks_, [&](Val b) { units_->meet(k_.let("first_line", b * kUnitLines), key); });
              },
              [&] { all_lines(key, n, now.finite); });
        },
        1, keys_);
    k_.barrier();
    if (blocks_of_y_)
      store_blocks(row);
    else
      k_.for_("line", 0, lines_, [&](Val line) {
        const Val at = k_.let("y_at", query(row + line / group_, line)), by = divisor(line);
        k_.for_lanes("d", 0, D_, [&](Val d) { y_[at + d] = sums_[line * D_ + d] / by; });
      });
    k_.barrier();  // the next rows use the same memory
  }
  Val divisor(const Val& line) {
    const Val total = k_.let("total", totals_[line]);
    return k_.let("divisor", select(total == 0.0, k_.constant(1.0), total));
  }
  /// Blocks of all lines, kBlocksAtOnce together; the last one again, where there are fewer.
  void store_blocks(const Val& row) {
    const int each = D_ / static_cast<int>(kInt8Block), vectors = blocks_of_y_->vectors();
    const Val end = k_.let("n_y_blocks", lines_ * each);
    const auto four = [&](const Val& first) {
      const auto at = [&](const Val& i) { return min(first + i, end - 1); };
      const Tile y = k_.tile("y_part", kBlocksAtOnce * vectors, Kind::f32);
      k_.each("i", kBlocksAtOnce, [&](const Val& i) {
        const Val block = k_.let("y_block", at(i)), by = divisor(k_.let("line", block / each));
        k_.each("v", vectors, [&](const Val& v) {
          y[i * vectors + v] = sums_[block * static_cast<int>(kInt8Block) + v * k_.lanes() + k_.lane()] / by;
        });
      });
      blocks_of_y_->store_vectors(
          y, [&](const Val& i) { return i * vectors; }, kBlocksAtOnce,
          [&](const Val& i) {
            const Val line = k_.let("line", at(i) / each);
            return query(row + line / group_, line) / static_cast<int>(kInt8Block) + at(i) % each;
          });
    };
    k_.for_("y_first", 0, end, four, 1, kBlocksAtOnce);
  }

  /// Where the query of a line of that row begins.
  Val query(const Val& row, const Val& line) const {
    return (row * what_.heads + kv_head_ * group_ + line % group_) * D_;
  }

  struct Staged {
    Val finite;  // are all values, and where units may multiply them all keys, finite?
    Val paired;  // with units: are keys and values as those take them, and not turned?
  };
  /// Copies keys, turned or paired, and values from `key` on; behind the last of n keys that one again.
  Staged stage(const Val& key, const Val& n) {
    k_.barrier();
    const Reg peak = k_.var("peak", Kind::i32);
    k_.for_("j", 0, keys_, [&](Val j) {
      const Val from = k_.let("kv_at", kv_first_ + (key + min(j, n - 1)) * D_);
      fetch(keys_memory_, from);
      fetch(values_memory_, from);
      k_.for_lanes("d", 0, D_, [&](Val d) {
        keys_as_stored_[j * D_ + d] = f32_of(keys_memory_[from + d]);
        const Val v = k_.let("value", f32_of(values_memory_[from + d]));
        peak = max(Val(peak), bitcast(abs(v), Kind::i32));
        if (units_) peak = max(Val(peak), bitcast(abs(keys_as_stored_[j * D_ + d].load()), Kind::i32));
        values_[j * D_ + d] = v;
      });
    });
    k_.barrier();
    const auto finite = [&](std::int32_t limit) {
      return k_.let("finite", k_.let("peak_of_all", k_.lane_max(peak)) < limit);
    };
    if (!units_) {
      turn_keys();
      k_.barrier();
      return {finite(kInfinityBits), {}};
    }
    const Val all = finite(kInfinityBitsOfBf16), paired = k_.let("paired", all && by_units_);
    k_.if_(
        paired, [&] { units_->pair_up(keys_as_stored_, values_); }, [&] { turn_keys(); });
    k_.barrier();
    return {all, paired};
  }
  void turn_keys() {
    const int lanes = k_.lanes();
    const auto block = [&](const Val& key, const Val& d) {
      const Tile keys = k_.tile("keys", lanes, Kind::f32);
      k_.each("j", lanes, [&](const Val& j) { keys[j] = keys_as_stored_[(key + j) * D_ + d + k_.lane()]; });
      keys.turn();
      k_.each("i", lanes, [&](const Val& i) { turned_[(d + i) * keys_ + key + k_.lane()] = keys[i]; });
    };
    k_.for_(
        "first_key", 0, keys_,
        [&](const Val& key) {
          k_.for_(
              "first_d", 0, D_, [&](const Val& d) { block(key, d); }, 1, lanes);
        },
        1, lanes);
  }

  /// The row that is staged as many keys later, so that it is there by then.
  void fetch(const Mem& rows, const Val& from) const {
    const int size = kir::info(memory_kind(what_.kv)).bytes, line = k_.target().cache_line_bytes;
    k_.each("part_of_row", (D_ * size + line - 1) / line,
            [&](Val i) { k_.prefetch(rows[from + i * (line / size)], keys_ * D_ * size); });
  }

  void all_lines(const Val& key, const Val& n, const Val& finite) {
    k_.for_("block", 0, quads_, [&](Val b) { lines(k_.let("first_line", b * kLines), key, n, finite); });
  }

  /// kLines lines meet the staged keys.
  void lines(const Val& first, const Val& key, const Val& n, const Val& finite) {
    Val last = ends_[first];
    for (int i = 1; i < kLines; ++i) last = max(last, ends_[first + i]);
    k_.if_(key < last, [&] {
      const Weighed now = weigh(first, key, scores(first));
      k_.barrier();
      k_.each("m", kLines, [&](Val m) {
        largest_[first + m] = now.top[m];
        totals_[first + m] = now.total[m];
      });
      add_values(first, key, n, finite, now.fade);
      k_.barrier();
    });
  }

  int vectors() const { return keys_ / k_.lanes(); }

  Tile scores(const Val& first) {
    const Tile score = k_.tile("score", kLines * vectors(), Kind::f32);
    const Val at = k_.let("query_at", first * D_);
    k_.for_(
        "d", 0, D_,
        [&](Val d) {
          const Val from = k_.let("line_d", at + d);
          k_.each("v", vectors(), [&](Val v) {
            const Val keys = k_.let("keys_d", turned_[d * keys_ + v * k_.lanes() + k_.lane()]);
            k_.each("m", kLines, [&](Val m) {
              const Val place = m * vectors() + v;
              score[place] = mul_add(k_, queries_[from + m * D_], keys, score[place]);
            });
          });
        },
        1);
    return score;
  }

  Val capped(const Val& s) const {
    if (what_.softcap <= 0) return s;
    return scalar_call(k_, "tanh", {s / what_.softcap}) * what_.softcap;
  }
  /// Does line `line` see key `at`?
  Val sees(const Val& line, const Val& at) const {
    const Val before_end = at < ends_[line];
    return what_.window > 0 ? before_end && at >= begins_[line] : before_end;
  }

  /// Of each line: its largest score so far, the sum of its weights, and what its older sums are worth.
  struct Weighed {
    Tile top, total, fade;
  };
  /// From scores to weights, relative to the largest score so far.
  Weighed weigh(const Val& first, const Val& key, const Tile& score) {
    const Weighed now = {k_.tile("top", kLines, Kind::f32, Rate::group),
                         k_.tile("total", kLines, Kind::f32, Rate::group),
                         k_.tile("fade", kLines, Kind::f32, Rate::group)};
    k_.each("m", kLines, [&](Val m) {
      const Val line = k_.let("line", first + m);
      const auto at = [&](const Val& v) { return key + v * k_.lanes() + k_.lane(); };
      const Reg top_here = k_.var("top_here", Kind::f32, Rate::lane, kLowest);
      k_.each("v", vectors(), [&](Val v) {
        const Val place = m * vectors() + v;
        score[place] = select(sees(line, at(v)), capped(score[place]), k_.constant(kLowest));
        top_here = max(Val(top_here), Val(score[place]));
      });
      const Val before = k_.let("before", largest_[line]);
      const Val top = k_.let("new_top", max(before, k_.let("tile_top", k_.lane_max(top_here))));
      now.top[m] = top;
      now.fade[m] = scalar_call(k_, "exp", {before - top});
      const Reg total = k_.var("total_here", Kind::f32);
      k_.each("v", vectors(), [&](Val v) {
        const Val below = k_.let("below", score[m * vectors() + v] - top);  // a NaN stays one
        const Val e = scalar_call(k_, "exp", {select(below < kLeast, k_.constant(kLeast), below)});
        const Val weight = k_.let("weight", select(sees(line, at(v)), e, k_.constant(0.0)));
        weights_[m * keys_ + v * k_.lanes() + k_.lane()] = weight;
        total += weight;
      });
      const Val all = k_.let("total_of_lanes", k_.lane_sum(total));
      now.total[m] = totals_[line] * now.fade[m] + all;
    });
    return now;
  }

  /// sums = sums · fade + Σ_j weight_j · v[j]. What a line does not see counts for nothing even if it is no number.
  void add_values(const Val& first, const Val& key, const Val& n, const Val& finite, const Tile& fade) {
    const int lanes = k_.lanes(), all = D_ / lanes;
    int width = std::min(vectors(), all);
    while (all % width != 0) --width;
    k_.for_("part", 0, all / width, [&](Val part) {
      const Val start = k_.let("first_d", part * (width * lanes));
      const Tile sum = k_.tile("sum", kLines * width, Kind::f32);
      const auto each = [&](const auto& f) {
        k_.each("m", kLines, [&](Val m) {
          k_.each("t", width, [&](Val t) { f(m, t, (first + m) * D_ + start + t * lanes + k_.lane()); });
        });
      };
      each([&](Val m, Val t, Val at) { sum[m * width + t] = sums_[at] * fade[m]; });
      const auto value = [&](const Val& j, const Val& t) {
        return k_.let("value", values_[j * D_ + start + t * lanes + k_.lane()]);
      };
      const auto fast = [&] {
        k_.for_("j", 0, n, [&](Val j) {
          k_.each("t", width, [&](Val t) {
            const Val v = value(j, t);
            k_.each("m", kLines,
                    [&](Val m) { sum[m * width + t] = mul_add(k_, weights_[j + m * keys_], v, sum[m * width + t]); });
          });
        });
      };
      const auto careful = [&] {
        k_.for_("j", 0, n, [&](Val j) {
          k_.each("m", kLines, [&](Val m) {
            k_.if_(sees(first + m, key + j), [&] {
              k_.each("t", width, [&](Val t) {
                sum[m * width + t] = mul_add(k_, weights_[j + m * keys_], value(j, t), sum[m * width + t]);
              });
            });
          });
        });
      };
      k_.if_(finite, fast, careful);
      each([&](Val m, Val t, Val at) { sums_[at] = sum[m * width + t]; });
    });
  }

  Build& k_;
  const Attention& what_;
  int D_, group_, keys_;
  int together_;  // lines that go together
  int most_lines_;
  Mem q_, keys_memory_, values_memory_, pos_, slot_, y_;
  Mem queries_, sums_, largest_, totals_, ends_, turned_, keys_as_stored_, values_, weights_;
  Mem begins_;                           // where there is a window
  std::optional<Int8Rows> blocks_of_y_;  // instead of y_
  std::optional<AttentionUnits> units_;
  Val kv_head_, lines_, quads_, kv_first_;
  Val blocks_, by_units_;  // with units
};

}  // namespace

int attention_tile_rows(const kir::Target& target, const Attention& what) {
  const bool units = has_attention_units(target, what);
  const std::int64_t most = target.tuned_or("attention_rows", units ? 64 : 32);
  const std::int64_t line = (units ? 12 : 8) * what.head_dim + 16;  // bytes: the query, the sums, four numbers
  const std::int64_t fits = std::max<std::int64_t>(1, kMostBytes / (line * (what.heads / what.kv_heads)));
  return static_cast<int>(std::clamp<std::int64_t>(what.rows.value, 1, std::min(most, fits)));
}

/// Turning keys pays where they meet as many lines as registers hold.
bool has_attention_tiles(const kir::Target& target, const Attention& what) {
  return target.core_cache && target.lanes_are_vectors() && target.lanes > 1 && !what.dense && !what.mask &&
         !what.sinks && !what.slopes && what.has_pos && what.rows.value * (what.heads / what.kv_heads) >= kLines &&
         what.head_dim % target.lanes == 0;
}

bool stores_int8_attention(const kir::Target& target, const Attention& what) {
  return (has_attention_parts(target, what) || has_attention_tiles(target, what)) && has_int8_vectors(target) &&
         what.q == DType::f32 && what.head_dim % kInt8Block == 0;
}

TemplateKernel attention_tiles(const kir::Target& target, const Attention& what) {
  Build k(what.name, target);
  TiledAttention(k, what).run();
  return {.kernel = k.done(),
          .grid = {{Extent{what.kv_heads}, 1}, {what.rows, attention_tile_rows(target, what)}},
          .reason = fmt::format("{} rows and the heads of a kv head together; keys {}, {} at a time",
                                attention_tile_rows(target, what),
                                !has_attention_units(target, what) ? "turned"
                                : target.mma                       ? "by matrix units of bf16"
                                                                   : "in pairs of bf16",
                                vectors_of(target) * target.lanes)};
}

}  // namespace openinfer::kernels
