// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/attention_units.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/product_mma.h"
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

constexpr MmaShape kUnit = kBf16Fragments;
static_assert(kUnit.m == kUnitLines && kUnit.n == kUnit.k);  // parts of the staged keys
/// Neighbours along k in a fragment of weights, and so of values, are keys that far apart: lanes have neighbours.
constexpr int kApart = kUnit.k / 2;
constexpr std::int64_t kHighHalf = 0xffff0000;
constexpr int kPairLines = 4;        // whose sums are in registers together, without units
constexpr int kScoreLines = 8;       // the same of scores, for kUnit.k keys
constexpr int kTotals = 4;           // of lines, that are added up over lanes together
constexpr double kLeastPower = -80;  // no sum in f32 sees less; no weight is a denormal number

}  // namespace

AttentionUnits::AttentionUnits(Build& k, const Attention& what, const Lines& lines, int most_lines, int keys)
    : k_(k),
      what_(what),
      lines_(lines),
      D_(static_cast<int>(what.head_dim)),
      keys_(keys),
      two_parts_(k.target().mma.has_value()) {
  const auto parts = [&](const std::string& name, int count, Mem& high, Mem& low) {
    high = k.shared(two_parts_ ? name + "_high" : name, Kind::u32, count);
    if (two_parts_) low = k.shared(name + "_low", Kind::u32, count);
  };
  parts("query_pairs", most_lines * D_ / 2, queries_high_, queries_low_);
  parts("key_pairs", D_ / 2 * keys_, keys_high_, keys_low_);
  values_ = k.shared("value_pairs", Kind::u32, keys_ / 2 * D_);
  scores_ = k.shared("scores", Kind::f32, kUnit.m * keys_);
  weights_ = k.shared("weight_pairs", Kind::u32, kUnit.m * keys_ / 2);
  if (two_parts_) products_ = k.shared("products", Kind::f32, kUnit.m * D_);
  tops_ = k.shared("tops", Kind::f32, kUnit.m);
  fades_ = k.shared("fades", Kind::f32, kUnit.m);
}

int AttentionUnits::vectors() const { return keys_ / k_.lanes(); }

/// Of floats D / 2 apart, in two parts where a score shall have 16 bits: of f16 that is all of them.
AttentionUnits::Pair AttentionUnits::pair(const Mem& from, const Val& at) const {
  const Val a = k_.let("a", from[at]), b = k_.let("b", from[at + D_ / 2]);
  const Val high = k_.let("pair", bf16_pair(a, b));
  if (!two_parts_) return {high, {}};
  return {high, bf16_pair(a - bitcast(high << 16, Kind::f32), b - bitcast(high & kHighHalf, Kind::f32))};
}

void AttentionUnits::store_query(const Val& line, const Mem& queries) const {
  k_.for_lanes("d", 0, D_ / 2, [&](const Val& d) {
    const Pair now = pair(queries, line * D_ + d);
    queries_high_[line * (D_ / 2) + d] = now.high;
    if (two_parts_) queries_low_[line * (D_ / 2) + d] = now.low;
  });
}

void AttentionUnits::pair_up(const Mem& as_stored, const Mem& values) const {
  k_.for_(
      "first_key", 0, keys_,
      [&](const Val& key) {
        k_.for_(
            "first_d", 0, D_ / 2, [&](const Val& d) { turn(as_stored, key, d); }, 1, k_.lanes());
      },
      1, k_.lanes());
  k_.for_("j", 0, keys_ / 2, [&](const Val& j) {
    const Val from = k_.let("first_key", j / kApart * kUnit.k + j % kApart);
    k_.for_lanes("d", 0, D_, [&](const Val& d) {
      values_[j * D_ + d] = bf16_pair(values[from * D_ + d], values[(from + kApart) * D_ + d]);
    });
  });
}

/// The pairs from d on of as many keys as lanes: from keys in a row each to lanes that are keys.
void AttentionUnits::turn(const Mem& as_stored, const Val& key, const Val& d) const {
  const Tile high = k_.tile("pairs", k_.lanes(), Kind::u32);
  const std::optional<Tile> low =
      two_parts_ ? std::optional(k_.tile("low_pairs", k_.lanes(), Kind::u32)) : std::nullopt;
  k_.each("j", k_.lanes(), [&](const Val& j) {
    const Pair now = pair(as_stored, (key + j) * D_ + d + k_.lane());
    high[j] = now.high;
    if (low) (*low)[j] = now.low;
  });
  const auto store = [&](const Tile& pairs, const Mem& to) {
    pairs.turn();
    k_.each("i", k_.lanes(), [&](const Val& i) { to[(d + i) * keys_ + key + k_.lane()] = pairs[i]; });
  };
  store(high, keys_high_);
  if (low) store(*low, keys_low_);
}

void AttentionUnits::meet(const Val& first, const Val& key) const {
  const Reg last = k_.var("last", Kind::i32, Rate::group);
  k_.for_("i", 0, kUnit.m, [&](const Val& i) { last = max(Val(last), lines_.ends[first + i].load()); });
  k_.if_(key < last, [&] {
    const Val seen = k_.let("n_seen", min(last - key, keys_));  // what is behind them counts for nothing
    const Val parts = k_.let("n_parts", (seen + (kUnit.k - 1)) / kUnit.k);
    two_parts_ ? scores(first, parts) : scores_of_pairs(first, parts);
    k_.barrier();
    k_.for_("i", 0, kUnit.m, [&](const Val& i) { find_top(i, k_.let("line", first + i), key, parts); });
    k_.barrier();
    k_.for_lanes("i", 0, kUnit.m, [&](const Val& i) {
      const Val top = k_.let("top", tops_[i]);
      fades_[i] = power(lines_.largest[first + i] - top);
      lines_.largest[first + i] = top;
    });
    k_.barrier();
    k_.for_(
        "i", 0, kUnit.m, [&](const Val& i) { weigh(i, first, key, parts); }, 1, kTotals);
    k_.barrier();
    two_parts_ ? add_values(first, parts) : add_values_of_pairs(first, seen);
    k_.barrier();
  });
}

/// Queries are in two parts as keys are; the product of the lower ones is below what is kept.
void AttentionUnits::scores(const Val& first, const Val& parts) const {
  const auto fragment = [&](Kind kind, const char* name, const Mem& from, const Val& at, int stride) {
    return k_.let(name, k_.mma_load(kind, from, at, stride));
  };
  k_.for_("part_of_keys", 0, parts, [&](const Val& part) {
    const Tile sum = k_.tile("score_sum", 1, Kind::mma_c, Rate::subgroup);
    k_.for_("step", 0, D_ / kUnit.k, [&](const Val& step) {
      const Val q_at = k_.let("line_at", first * (D_ / 2) + step * (kUnit.k / 2));
      const Val k_at = k_.let("keys_at", step * (kUnit.k / 2 * keys_) + part * kUnit.n);
      const Val q = fragment(Kind::mma_a, "q_high", queries_high_, q_at, D_ / 2);
      const Val low = fragment(Kind::mma_b, "k_low", keys_low_, k_at, keys_);
      sum[0] = k_.mma(q, low, sum[0]);
      const Val high = fragment(Kind::mma_b, "k_high", keys_high_, k_at, keys_);
      sum[0] = k_.mma(q, high, sum[0]);
      const Val q_low = fragment(Kind::mma_a, "q_low", queries_low_, q_at, D_ / 2);
      sum[0] = k_.mma(q_low, high, sum[0]);
    });
    k_.mma_store(scores_, part * kUnit.n, keys_, sum[0]);
  });
}

/// kScoreLines lines at a time have their sums in registers, for a part of the keys.
void AttentionUnits::scores_of_pairs(const Val& first, const Val& parts) const {
  const int vectors = kUnit.k / k_.lanes();
  const auto block = [&](const Val& line, const Val& part) {
    const Tile sum = k_.tile("score_sum", kScoreLines * vectors, Kind::f32);
    const Val q_at = k_.let("q_at", (first + line) * (D_ / 2)), start = k_.let("first_key", part * kUnit.k);
    k_.for_("d", 0, D_ / 2, [&](const Val& d) {
      const Val from = k_.let("line_d", q_at + d), keys_at = k_.let("keys_at", d * keys_ + start);
      const Tile keys = k_.tile("keys_d", vectors, Kind::u32);
      k_.each("v", vectors, [&](const Val& v) { keys[v] = keys_high_[keys_at + v * k_.lanes() + k_.lane()]; });
      k_.each("m", kScoreLines, [&](const Val& m) {
        const Val query = k_.let("query", queries_high_[from + m * (D_ / 2)]);
        k_.each("v", vectors, [&](const Val& v) {
          const Val place = m * vectors + v;
          sum[place] = bf16_dot(keys[v], query, sum[place]);
        });
      });
    });
    k_.each("m", kScoreLines, [&](const Val& m) {
      k_.each("v", vectors, [&](const Val& v) {
        scores_[(line + m) * keys_ + start + v * k_.lanes() + k_.lane()] = sum[m * vectors + v];
      });
    });
  };
  k_.for_(
      "line_of_block", 0, kUnit.m,
      [&](const Val& line) { k_.for_("part", 0, parts, [&](const Val& part) { block(line, part); }); }, 1, kScoreLines);
}

/// f of each vector of scores in such parts.
void AttentionUnits::each_vector(const Val& parts, const std::function<void(const Val& v)>& f) const {
  const int of_part = kUnit.k / k_.lanes();
  k_.for_("part", 0, parts,
          [&](const Val& part) { k_.each("v", of_part, [&](const Val& v) { f(part * of_part + v); }); });
}

Val AttentionUnits::sees(const Val& line, const Val& at) const {
  const Val before_end = at < lines_.ends[line];
  return what_.window > 0 ? before_end && at >= lines_.begins[line] : before_end;
}

void AttentionUnits::find_top(const Val& i, const Val& line, const Val& key, const Val& parts) const {
  const Reg top_here = k_.var("top_here", Kind::f32, Rate::lane, kLowest);
  each_vector(parts, [&](const Val& v) {
    const Val j = v * k_.lanes() + k_.lane(), at = i * keys_ + j;
    Val score = scores_[at];
    if (what_.softcap > 0) {
      score = k_.let("score", scalar_call(k_, "tanh", {score / what_.softcap}) * what_.softcap);
      scores_[at] = score;
    }
    top_here = max(Val(top_here), select(sees(line, key + j), score, k_.constant(kLowest)));
  });
  tops_[i] = max(lines_.largest[line].load(), k_.let("tile_top", k_.lane_max(top_here)));
}

/// Of kTotals lines.
void AttentionUnits::weigh(const Val& quad, const Val& first, const Val& key, const Val& parts) const {
  const Tile total = k_.tile("total", kTotals, Kind::f32);
  k_.each("m", kTotals, [&](const Val& m) {
    const Val i = k_.let("line_of_block", quad + m), line = k_.let("line", first + i), top = k_.let("top", tops_[i]);
    const auto weight = [&](const Val& v) {
      const Val j = v * k_.lanes() + k_.lane();
      const Val e = power(scores_[i * keys_ + j] - top);
      return k_.let("weight", select(sees(line, key + j), e, k_.constant(0.0)));
    };
    k_.for_("p", 0, parts, [&](const Val& p) {
      const Val a = weight(p * 2), b = weight(p * 2 + 1);
      weights_[i * (keys_ / 2) + p * kApart + k_.lane()] = bf16_pair(a, b);
      total[m] += a + b;
    });
  });
  const Val here = k_.let("totals_of_lanes", k_.lane_sums(total[0], total[1], total[2], total[3]));
  k_.each("m", kTotals, [&](const Val& m) {
    const Val line = k_.let("line", first + quad + m);
    const Val own = k_.let("total_of_lanes", k_.lane_get(here, m * (k_.lanes() / kTotals)));
    const Val all = k_.let("new_total", mul_add(k_, lines_.totals[line], fades_[quad + m], own));
    k_.barrier();
    lines_.totals[line] = all;
  });
}

/// sums = sums · fade + Σ_j weight_j · v[j]
void AttentionUnits::add_values(const Val& first, const Val& parts) const {
  k_.for_("part_of_values", 0, D_ / kUnit.n, [&](const Val& part) {
    const Tile sum = k_.tile("value_sum", 1, Kind::mma_c, Rate::subgroup);
    k_.for_("step", 0, parts, [&](const Val& step) {
      const Val w = k_.let("weight_part", k_.mma_load(Kind::mma_a, weights_, step * kApart, keys_ / 2));
      const Val at = step * (kApart * D_) + part * kUnit.n;
      const Val v = k_.let("value_part", k_.mma_load(Kind::mma_b, values_, at, D_));
      sum[0] = k_.mma(w, v, sum[0]);
    });
    k_.mma_store(products_, part * kUnit.n, D_, sum[0]);
  });
  k_.barrier();
  k_.for_("i", 0, kUnit.m, [&](const Val& i) {
    const Val fade = k_.let("fade", fades_[i]);
    k_.for_lanes("d", 0, D_, [&](const Val& d) {
      const Val at = k_.let("sum_at", (first + i) * D_ + d);
      lines_.sums[at] = mul_add(k_, lines_.sums[at], fade, products_[i * D_ + d]);
    });
  });
}

/// The same, kPairLines lines at a time.
void AttentionUnits::add_values_of_pairs(const Val& first, const Val& seen) const {
  const Val pairs = k_.let("n_pairs", seen / kUnit.k * kApart + min(seen % kUnit.k, kApart));
  const int lanes = k_.lanes();
  int width = std::min(vectors(), D_ / lanes);
  while (D_ / lanes % width != 0) --width;
  k_.for_("i", 0, kUnit.m / kPairLines, [&](const Val& quad) {
    const Val line = k_.let("line_of_block", quad * kPairLines);
    k_.for_("part", 0, D_ / lanes / width, [&](const Val& part) {
      const Val start = k_.let("first_d", part * (width * lanes));
      const Tile sum = k_.tile("sum", kPairLines * width, Kind::f32);
      const auto each = [&](const auto& f) {
        k_.each("m", kPairLines, [&](const Val& m) {
          k_.each("t", width,
                  [&](const Val& t) { f(m, m * width + t, (first + line + m) * D_ + start + t * lanes + k_.lane()); });
        });
      };
      each([&](const Val& m, const Val& place, const Val& at) { sum[place] = lines_.sums[at] * fades_[line + m]; });
      k_.for_("j", 0, pairs, [&](const Val& j) {
        const Val from = k_.let("weight_at", line * (keys_ / 2) + j);
        k_.each("t", width, [&](const Val& t) {
          const Val pair = k_.let("value_pair", values_[j * D_ + start + t * lanes + k_.lane()]);
          k_.each("m", kPairLines, [&](const Val& m) {
            const Val place = m * width + t;
            sum[place] = bf16_dot(pair, weights_[from + m * (keys_ / 2)], sum[place]);
          });
        });
      });
      each([&](const Val&, const Val& place, const Val& at) { lines_.sums[at] = sum[place]; });
    });
  });
}

/// e^x of x ≤ 0, or e^kLeastPower: for weights that are rounded to bf16 at once.
Val AttentionUnits::power(const Val& x) const {
  const auto body = [&](const std::vector<Val>& given) {
    constexpr double kToWhole = 12582912;  // 1.5 · 2^23: what is added to it becomes a whole number
    const Val t = k_.let("t", max(given[0], k_.constant(kLeastPower)) * 1.4426950408889634);
    const Val shifted = k_.let("shifted", t + kToWhole);
    const Val f = k_.let("f", t - (shifted - kToWhole));
    Val sum = k_.constant(0.0013333558);  // 2^f = Σ (ln 2)^n / n! f^n
    for (const double c : {0.0096181291, 0.0555041087, 0.2402265070, 0.6931471806, 1.0})
      sum = mul_add(k_, sum, f, k_.constant(c));
    const Val e = k_.let("e", bitcast(bitcast(sum, Kind::i32) + (bitcast(shifted, Kind::i32) << 23), Kind::f32));
    return select(given[0] != given[0], given[0], e);
  };
  return k_.call("power", {x}, body, "e^x within 2^-16 for -80 <= x <= 0, e^-80 below, NaN of NaN", {"x"});
}

bool has_attention_units(const kir::Target& target, const Attention& what) {
  const bool pairs = what.bf16 && target.bf16_dot && !target.mma;
  return has_attention_tiles(target, what) && (target.mma == kUnit || pairs) && target.lanes == kApart &&
         what.head_dim % kUnit.k == 0 && what.rows.value >= kMmaRows &&
         what.rows.value * (what.heads / what.kv_heads) >= kUnit.m;
}

}  // namespace openinfer::kernels
