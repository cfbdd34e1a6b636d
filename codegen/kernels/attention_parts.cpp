// SPDX-License-Identifier: Apache-2.0
// Attention of few rows on CPUs, whatever the depth: the cache is read once, as it lies, by all threads.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "codegen/kernels/attention.h"
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

/// More rows share keys: tiles of rows serve them better.
constexpr std::int64_t kMostRows = 16;
constexpr std::int64_t kLeastHead = 16;
/// Keys whose dot products are in registers together: as many as Build::lane_sums adds up.
constexpr int kTogether = 4;
/// Vectors of keys that parts consist of, so that few keys are not cut into many parts.
constexpr int kUnitVectors = 4;
/// Vectors of keys whose scores become weights together, if they fit: a tile of keys and one of values shall be in a
/// first-level cache at once.
constexpr int kTileVectors = 8;
constexpr std::int64_t kTileBytes = 16 << 10;
/// Vectors of a value that are in registers together.
constexpr int kMostWidth = 4;

int tile_keys(const kir::Target& target, const Attention& what) {
  const std::int64_t vector = target.lanes * what.head_dim * kir::info(memory_kind(what.kv)).bytes;
  return target.lanes * static_cast<int>(std::clamp<std::int64_t>(kTileBytes / vector, 1, kTileVectors));
}

/// Lines (query heads of a kv head) that go together, and how often; behind the last line that one again.
struct Blocks {
  int lines, count;
};
Blocks blocks_of(int lines, int most) {
  const int count = (lines + most - 1) / most;
  return {(lines + count - 1) / count, count};
}

/// The keys [begin, end) that a row sees, in units of which parts have as even shares as can be.
struct Sight {
  Sight(Build& k, const Attention& what, const Mem& pos, const Val& row)
      : parts(attention_parts_of(k.target())), unit(kUnitVectors * k.lanes()) {
    const Val C = value_of(k, what.keys);
    own = k.let("position", pos[row]);
    end = k.let("end_key", max(min(own + 1, C), 0));
    begin = what.window > 0 ? k.let("first_key", min(max(own + 1 - what.window, 0), end)) : k.constant(0);
    units = k.let("n_units", (end - begin + (unit - 1)) / unit);
  }
  /// Of units.
  Val first_of(const Val& part) const { return units * part / parts; }

  int parts, unit;
  Val own, begin, end, units;
};

/// e^x of differences from the largest score. Below -80 no sum in f32 sees it, and denormal weights would take a
/// hundred times as long.
Val power(Build& k, const Val& x) {
  const auto body = [&](const std::vector<Val>& given) {
    constexpr double kToWhole = 12582912;  // 1.5 · 2^23: what is added to it becomes a whole number
    const Val below = k.let("below", max(given[0], k.constant(-80.0)));
    const Val shifted = k.let("shifted", mul_add(k, below, k.constant(1.44269504), k.constant(kToWhole)));
    const Val n = k.let("n", shifted - kToWhole);
    // ln 2 in two parts, of which the first has few bits: n times it is exact.
    const Val rest = mul_add(k, n, k.constant(-0.69314575), below);
    const Val r = k.let("r", mul_add(k, n, k.constant(-1.4286068e-6), rest));
    Val sum = k.constant(0.0013821041);  // minimax over |r| <= ln 2 / 2, as of exp
    for (const double c : {0.008368674, 0.041668262, 0.16666521, 0.49999994, 1.0, 1.0})
      sum = mul_add(k, sum, r, k.constant(c));
    const Val e = k.let("e", bitcast(bitcast(sum, Kind::i32) + (bitcast(shifted, Kind::i32) << 23), Kind::f32));
    return select(given[0] != given[0], given[0], e);
  };
  return k.call("power", {x}, body, "e^x within 2 ULP for -80 <= x <= 0, e^-80 below, NaN of NaN", {"x"});
}

class PartedAttention {
 public:
  PartedAttention(Build& k, const Attention& what)
      : k_(k),
        what_(what),
        D_(static_cast<int>(what.head_dim)),
        group_(static_cast<int>(what.heads / what.kv_heads)),
        keys_(tile_keys(k.target(), what)),
        width_(D_ / k.lanes()),
        scored_(blocks_of(group_, 8)),
        added_(blocks_of(group_, registers() / 4 * 3)),
        lines_(std::max(scored_.lines * scored_.count, added_.lines * added_.count)) {
    const int most = registers() / 4 * 3;
    while (width_ > kMostWidth || width_ * added_.lines > most || D_ / k.lanes() % width_ != 0) --width_;
    q_ = k.in("q", memory_kind(what.q), "(N, H * D)");
    keys_memory_ = k.in("k", memory_kind(what.kv), "(slots, Hk, C, D)");
    values_memory_ = k.in("v", memory_kind(what.kv), "(slots, Hk, C, D)");
    pos_ = k.in("pos", Kind::i32, "(N)");
    if (what.has_slot) slot_ = k.in("slot", Kind::i32, "(N)");
    if (what.slopes) slopes_ = k.in("slopes", memory_kind(*what.slopes), "(H)");
    part_sums_ = k.out("part_sums", Kind::f32, "(N, H, parts, D)");
    part_weights_ = k.out("part_weights", Kind::f32, "(N, H, parts, 2)");
    queries_ = k.shared("queries", Kind::f32, lines_ * D_);
    sums_ = k.shared("sums", Kind::f32, lines_ * D_);
    weights_ = k.shared("weights", Kind::f32, lines_ * keys_);
    largest_ = k.shared("largest", Kind::f32, lines_);
    totals_ = k.shared("totals", Kind::f32, lines_);
    fades_ = k.shared("fades", Kind::f32, lines_);
  }

  void run() {
    const int parts = attention_parts_of(k_.target());
    part_ = k_.let("part", k_.group() % parts);
    kv_head_ = k_.let("kv_head", k_.group() / parts % what_.kv_heads);
    row_ = k_.let("row", k_.group() / (parts * what_.kv_heads));
    const Sight sight(k_, what_, pos_, row_);
    own_ = sight.own;
    const auto key = [&](const Val& part) { return min(sight.begin + sight.first_of(part) * sight.unit, sight.end); };
    const Val first = k_.let("first", key(part_)), last = k_.let("last", key(part_ + 1));
    k_.if_(first < last, [&] { keys_between(first, last); });
  }

 private:
  /// Vector registers that such targets have.
  int registers() const { return k_.lanes() >= 16 ? 32 : 16; }
  /// Line m's query head; behind the last that one again.
  Val head(const Val& line) const { return kv_head_ * group_ + min(line, group_ - 1); }

  void keys_between(const Val& first, const Val& last) {
    const Val C = value_of(k_, what_.keys);
    Val block = k_.constant(0);
    if (what_.has_slot) block = k_.let("slot_of_row", max(min(slot_[row_].load(), value_of(k_, what_.slots) - 1), 0));
    kv_first_ = k_.let("kv_first", (block * what_.kv_heads + kv_head_) * C * D_);
    begin();
    k_.barrier();
    k_.for_(
        "key", first, last,
        [&](Val key) {
          const Val n = k_.let("n_keys", min(last - key, keys_));
          const Val vectors = k_.let("n_vectors", (n + (k_.lanes() - 1)) / k_.lanes());
          k_.for_("block", 0, scored_.count,
                  [&](Val b) { scores(k_.let("first_line", b * scored_.lines), key, n, vectors); });
          k_.barrier();
          k_.for_("line", 0, group_, [&](Val line) { weigh(line, key, n, vectors); });
          k_.barrier();
          k_.for_("block", 0, added_.count, [&](Val b) { add_values(k_.let("first_line", b * added_.lines), key, n); });
          k_.barrier();
        },
        1, keys_);
    end();
  }

  void begin() {
    k_.for_("line", 0, lines_, [&](Val line) {
      const Val at = k_.let("q_at", (row_ * what_.heads + head(line)) * D_);
      k_.for_lanes("d", 0, D_, [&](Val d) {
        queries_[line * D_ + d] = f32_of(q_[at + d]) * what_.scale;
        sums_[line * D_ + d] = k_.constant(0.0);
      });
      largest_[line] = k_.constant(kLowest), totals_[line] = k_.constant(0.0), fades_[line] = k_.constant(0.0);
    });
  }

  void end() {
    const int parts = attention_parts_of(k_.target());
    k_.for_("line", 0, group_, [&](Val line) {
      const Val at = k_.let("part_at", (row_ * what_.heads + kv_head_ * group_ + line) * parts + part_);
      k_.for_lanes("d", 0, D_, [&](Val d) { part_sums_[at * D_ + d] = sums_[line * D_ + d].load(); });
      const Val total = k_.let("total", totals_[line].load());
      part_weights_[at * 2] = select(total == total, largest_[line].load(), total);  // max may give either of a NaN
      part_weights_[at * 2 + 1] = total;
    });
  }

  /// Elements of a cache that are read soon. While keys are read the tile's values are fetched, and meanwhile the next
  /// keys: so requests for memory never pause.
  void fetch(const Mem& cache, const Val& at, int elements, int keys_ahead = 0) const {
    const int size = kir::info(memory_kind(what_.kv)).bytes, line = k_.target().cache_line_bytes;
    k_.each("cache_line", (elements * size + line - 1) / line,
            [&](Val i) { k_.prefetch(cache[at + i * (line / size)], keys_ahead * D_ * size); });
  }

  /// Dot products of the lines from `first` on and n keys, read in their order, which is what a processor fetches ahead
  /// by itself. lane_sums leaves the sums of neighbours a quarter of a vector apart.
  void scores(const Val& first, const Val& key, const Val& n, const Val& vectors) {
    const int lanes = k_.lanes(), apart = lanes / kTogether, steps = D_ / lanes;
    k_.for_("v", 0, vectors, [&](Val v) {
      const Tile score = k_.tile("score", scored_.lines, Kind::f32);
      k_.for_("turn", 0, apart, [&](Val turn) {
        const Tile keys = k_.tile("keys", kTogether * steps, Kind::f32);
        k_.each("i", kTogether, [&](Val i) {
          const Val j = k_.let("j", min(v * lanes + turn * kTogether + i, n - 1));
          const Val at = k_.let("k_at", kv_first_ + (key + j) * D_);
          fetch(values_memory_, at, D_);
          k_.each("t", steps, [&](Val t) { keys[i * steps + t] = f32_of(keys_memory_[at + t * lanes + k_.lane()]); });
        });
        k_.each("m", scored_.lines, [&](Val m) {
          const Val four = k_.let("four", dot_products(k_.let("q_at", (first + m) * D_), keys));
          score[m] = select(k_.lane_in(apart) == turn, four, Val(score[m]));
        });
      });
      k_.each("m", scored_.lines,
              [&](Val m) { weights_[(first + m) * keys_ + v * lanes + k_.lane()] = k_.lane_turn(score[m]); });
    });
  }

  /// Of a query and kTogether keys.
  Val dot_products(const Val& query_at, const Tile& keys) {
    const int lanes = k_.lanes(), steps = D_ / lanes;
    const Tile part = k_.tile("part", kTogether, Kind::f32);
    k_.each("t", steps, [&](Val t) {
      const Val query = k_.let("query", queries_[query_at + t * lanes + k_.lane()]);
      k_.each("i", kTogether, [&](Val i) { part[i] = mul_add(k_, query, keys[i * steps + t], part[i]); });
    });
    return k_.lane_sums(part[0], part[1], part[2], part[3]);
  }

  bool is_adjusted() const { return what_.softcap > 0 || what_.slopes; }
  Val adjusted(const Val& score, const Val& line, const Val& key) const {
    Val s = score;
    if (what_.softcap > 0) s = scalar_call(k_, "tanh", {s / what_.softcap}) * what_.softcap;
    if (what_.slopes) s = s + f32_of(slopes_[head(line)]) * convert(key - own_, Kind::f32);
    return s;
  }

  /// From scores to weights, relative to the line's largest score so far.
  void weigh(const Val& line, const Val& key, const Val& n, const Val& vectors) {
    const Reg top_here = k_.var("top_here", Kind::f32, Rate::lane, kLowest);
    k_.for_("v", 0, vectors, [&](Val v) {
      const Val j = v * k_.lanes() + k_.lane(), at = line * keys_ + j;
      const Val s = k_.let("score", select(j < n, adjusted(weights_[at], line, key + j), k_.constant(kLowest)));
      if (is_adjusted()) weights_[at] = s;
      top_here = max(Val(top_here), s);
    });
    const Val before = k_.let("before", largest_[line]);
    const Val top = k_.let("top", max(before, k_.let("tile_top", k_.lane_max(top_here))));
    const Val fade = k_.let("fade", power(k_, before - top));
    const Reg total = k_.var("total", Kind::f32);
    k_.for_("v", 0, vectors, [&](Val v) {
      const Val j = v * k_.lanes() + k_.lane(), at = line * keys_ + j;
      const Val weight = k_.let("weight", select(j < n, power(k_, weights_[at] - top), k_.constant(0.0)));
      weights_[at] = weight;
      total += weight;
    });
    const Val here = k_.let("total_of_tile", k_.lane_sum(total));
    const Val all = k_.let("new_total", totals_[line] * fade + here);
    k_.barrier();
    totals_[line] = all;
    largest_[line] = top;
    fades_[line] = fade;
  }

  /// sums = sums · fade + Σ_j weight_j · v[j]
  void add_values(const Val& first, const Val& key, const Val& n) {
    const int lanes = k_.lanes();
    k_.for_("part_of_d", 0, D_ / lanes / width_, [&](Val part) {
      const Val start = k_.let("first_d", part * (width_ * lanes));
      const Tile sum = k_.tile("sum", added_.lines * width_, Kind::f32);
      const auto each = [&](const auto& f) {
        k_.each("m", added_.lines, [&](Val m) {
          k_.each("t", width_, [&](Val t) { f(m, m * width_ + t, (first + m) * D_ + start + t * lanes + k_.lane()); });
        });
      };
      each([&](const Val& m, const Val& place, const Val& at) { sum[place] = sums_[at] * fades_[first + m]; });
      k_.for_("j", 0, n, [&](Val j) {
        const Val at = k_.let("v_at", kv_first_ + (key + j) * D_ + start);
        const Val weight_at = k_.let("weight_at", first * keys_ + j);
        fetch(keys_memory_, at, width_ * lanes, keys_);
        k_.each("t", width_, [&](Val t) {
          const Val value = k_.let("value", f32_of(values_memory_[at + t * lanes + k_.lane()]));
          k_.each("m", added_.lines, [&](Val m) {
            const Val place = m * width_ + t;
            sum[place] = mul_add(k_, weights_[weight_at + m * keys_], value, sum[place]);
          });
        });
      });
      each([&](const Val&, const Val& place, const Val& at) { sums_[at] = sum[place]; });
    });
  }

  Build& k_;
  const Attention& what_;
  int D_, group_, keys_, width_;
  Blocks scored_, added_;  // lines whose sums are in registers together
  int lines_;
  Mem q_, keys_memory_, values_memory_, pos_, slot_, slopes_, part_sums_, part_weights_;
  Mem queries_, sums_, weights_, largest_, totals_, fades_;
  Val part_, kv_head_, row_, own_, kv_first_;
};

}  // namespace

int attention_parts_of(const kir::Target& target) { return target.tuned_or("attention_parts", 8); }

/// A cache of two units has hardly parts, and parts of narrow heads take as long to be put together.
bool has_attention_parts(const kir::Target& target, const Attention& what) {
  return target.core_cache && target.lanes_are_vectors() && target.lanes >= kTogether && !what.dense && !what.mask &&
         what.has_pos && what.rows.value <= kMostRows && what.keys.value > 2 * kUnitVectors * target.lanes &&
         what.head_dim >= kLeastHead && what.head_dim % target.lanes == 0;
}

TemplateKernel attention_parts(const kir::Target& target, const Attention& what) {
  Build k(what.name + "_parts", target);
  PartedAttention(k, what).run();
  const int parts = attention_parts_of(target);
  return {.kernel = k.done(),
          .grid = {{what.rows, 1}, {Extent{what.kv_heads}, 1}, {Extent{parts}, 1}},
          .reason = fmt::format("a workgroup for each row, kv head and {}th of the keys, {} at a time", parts,
                                tile_keys(target, what))};
}

TemplateKernel attention_from_parts(const kir::Target& target, const Attention& what) {
  Build k(what.name, target);
  const Mem sums = k.in("part_sums", Kind::f32, "(N, H, parts, D)"),
            weights = k.in("part_weights", Kind::f32, "(N, H, parts, 2)"), pos = k.in("pos", Kind::i32, "(N)");
  const Mem sinks = what.sinks ? k.in("sinks", memory_kind(*what.sinks), "(H)") : Mem();
  const int parts = attention_parts_of(target), D = static_cast<int>(what.head_dim), lanes = k.lanes();
  const Sight sight(k, what, pos, k.let("row", k.group() / what.heads));
  const auto each_part = [&](const auto& f) {
    k.for_("part", 0, parts, [&](Val part) {
      k.if_(sight.first_of(part) < sight.first_of(part + 1), [&] { f(k.let("at", k.group() * parts + part)); });
    });
  };
  const auto exp = [&](const Val& x) { return scalar_call(k, "exp", {x}); };
  const Reg top = k.var("top", Kind::f32, Rate::group, kLowest), total = k.var("total", Kind::f32, Rate::group);
  const Val sink = what.sinks ? k.let("sink", f32_of(sinks[k.group() % what.heads])) : Val();
  if (what.sinks) top = sink;
  each_part([&](const Val& at) { top = max(Val(top), weights[at * 2].load()); });
  if (what.sinks) total = exp(sink - top);
  const Tile sum = k.tile("sum", D / lanes, Kind::f32);
  each_part([&](const Val& at) {
    const Val factor = k.let("factor", exp(weights[at * 2] - top));
    total += factor * weights[at * 2 + 1];
    k.each("t", D / lanes, [&](Val t) { sum[t] = mul_add(k, factor, sums[at * D + t * lanes + k.lane()], sum[t]); });
  });
  const Val divisor = k.let("divisor", select(total == 0.0, k.constant(1.0), Val(total)));
  if (what.int8) {
    const Int8Rows y(k, "y");
    const int blocks = D / static_cast<int>(kInt8Block);
    k.each("t", D / lanes, [&](Val t) { sum[t] = sum[t] / divisor; });
    k.each("b", blocks, [&](Val b) {
      y.store_vectors(
          sum, [&](const Val&) { return b * y.vectors(); }, 1, [&](const Val&) { return k.group() * blocks + b; });
    });
  } else {
    const Mem y = k.out("y", memory_kind(what.q), "(N, H * D)");
    k.each("t", D / lanes, [&](Val t) { y[k.group() * D + t * lanes + k.lane()] = sum[t] / divisor; });
  }
  const double heads = static_cast<double>(what.rows.value) * static_cast<double>(what.heads);
  const double bytes_of_y = what.int8 ? 4.0 * kInt8BlockWords / kInt8Block : info(what.q).block_bytes;
  return {.kernel = k.done(),
          .grid = {{what.rows, 1}, {Extent{what.heads}, 1}},
          .reason = "parts of the keys put together",
          .work = Work{heads * (parts * (D + 2) * 4.0 + D * bytes_of_y), heads * parts * 2.0 * (D + 1)}};
}

}  // namespace openinfer::kernels
