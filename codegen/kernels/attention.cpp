// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/attention.h"

#include <cmath>
#include <functional>
#include <vector>

#include "codegen/kernels/pointwise.h"
#include "codegen/kernels/product_parts.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Rate;
using kir::Reg;
using kir::Tile;
using kir::Val;

/// A vector of head_dim numbers dealt to the lanes of a subgroup: whole rounds of all lanes as a tile, the rest in one
/// more register of the first lanes.
class Spread {
 public:
  Spread(Build& k, std::string_view name, int size) : k_(k), rounds_(size / k.lanes()), size_(size) {
    if (rounds_ > 0) tile_ = k.tile(name, rounds_, Kind::f32);
    if (size % k.lanes() != 0) rest_ = k.var(std::string(name) + "_rest", Kind::f32);
  }
  /// value = f(value, d) for each element d.
  void update(const std::function<Val(Val value, Val d)>& f) const {
    const int lanes = k_.lanes();
    if (tile_) k_.each("t", rounds_, [&](Val t) { (*tile_)[t] = f((*tile_)[t], t * lanes + k_.lane()); });
    if (rest_) k_.for_lanes("d", rounds_ * lanes, size_, [&](Val d) { *rest_ = f(*rest_, d); });
  }
  /// f(value, d) for each element d.
  void visit(const std::function<void(Val value, Val d)>& f) const {
    const int lanes = k_.lanes();
    if (tile_) k_.each("t", rounds_, [&](Val t) { f((*tile_)[t], t * lanes + k_.lane()); });
    if (rest_) k_.for_lanes("d", rounds_ * lanes, size_, [&](Val d) { f(*rest_, d); });
  }

 private:
  Build& k_;
  int rounds_, size_;
  std::optional<Tile> tile_;
  std::optional<Reg> rest_;
};

class AttentionCode {
 public:
  AttentionCode(Build& k, const Attention& what)
      : k_(k), what_(what), D_(static_cast<int>(what.head_dim)), q_(k.in("q", memory_kind(what.q), q_shape())) {
    keys_ = k.in("k", memory_kind(what.kv), kv_shape());
    values_ = k.in("v", memory_kind(what.kv), kv_shape());
    if (what.mask) mask_ = k.in("mask", memory_kind(what.mask->dtype));
    if (what.has_pos) pos_ = k.in("pos", Kind::i32, "(N)");
    if (what.has_slot) slot_ = k.in("slot", Kind::i32, "(N)");
    if (what.sinks) sinks_ = k.in("sinks", memory_kind(*what.sinks), "(H)");
    if (what.slopes) slopes_ = k.in("slopes", memory_kind(*what.slopes), "(H)");
    y_ = k.out("y", memory_kind(what.q), q_shape());
  }

  void run() {
    locate();
    const Spread query(k_, "query", D_), sum(k_, "sum", D_);
    query.update([&](Val, Val d) { return f32_of(q_[first_ + d]); });
    const Reg largest = k_.var("largest", Kind::f32, Rate::subgroup, kLowest);
    const Reg total = k_.var("total", Kind::f32);
    if (what_.sinks) begin_with_sink(largest, total);
    if (what_.slopes) slope_ = k_.let("slope", f32_of(slopes_[head_]));
    const int lanes = k_.lanes();
    const Val n_tiles = k_.let("n_tiles", (end_ - begin_ + (lanes - 1)) / lanes);
    k_.for_subgroups("tile", 0, n_tiles, [&](Val tile) {
      const Val key = k_.let("key", begin_ + tile * lanes);
      const Val count = k_.let("count", min(k_.constant(lanes), end_ - key));
      const Reg score = k_.var("score", Kind::f32), open = k_.var("open", Kind::f32);
      scores(query, key, count, score, open);
      const Val top = k_.let("top", max(Val(largest), k_.let("tile_top", k_.lane_max(score))));
      const Val fade = k_.let("fade", exp(largest - top));
      const Val weight = k_.let("weight", open * exp(score - top));
      total = total * fade + weight;
      sum.update([&](Val value, Val) { return value * fade; });
      add_values(sum, key, count, weight);
      largest = top;
    });
    if (k_.target().subgroups == 1)
      store_alone(sum, k_.let("all", k_.lane_sum(total)));
    else
      store_together(sum, largest, k_.let("own", k_.lane_sum(total)));
  }

 private:
  const char* q_shape() const { return what_.dense ? "(B, H, T, D)" : "(N, H * D)"; }
  const char* kv_shape() const { return what_.dense ? "(B, Hk, Tk, D)" : "(slots, Hk, C, D)"; }
  Val exp(Val x) const { return scalar_call(k_, "exp", {x}); }

  /// The sink is one key more, seen by one lane, whose value is 0.
  void begin_with_sink(const Reg& largest, const Reg& total) const {
    const Val sink = k_.let("sink", f32_of(sinks_[head_]));
    largest = max(sink, k_.constant(kLowest));
    const Val first = k_.target().subgroups == 1 ? k_.lane() == 0 : k_.lane() == 0 && k_.subgroup() == 0;
    total = select(first, exp(sink - largest), k_.constant(0.0));
  }

  /// From the workgroup's number: row, head and query, which keys it sees, and where everything begins.
  void locate() {
    const Val T = value_of(k_, what_.queries), H = k_.constant(what_.heads), C = value_of(k_, what_.keys);
    query_ = k_.let("query_row", k_.group() % T);
    head_ = k_.let("head", k_.group() / T % H);
    row_ = k_.let("row", k_.group() / T / H);
    first_ = k_.let("first", k_.group() * D_);
    Val own = C - 1, block = row_;
    if (!what_.dense && !what_.has_pos && !what_.has_slot)
      block = k_.let("slot_of_row", min(row_, value_of(k_, what_.slots) - 1));
    if (what_.dense) own = k_.let("own_key", query_ + C - T);
    if (what_.has_pos) own = k_.let("position", pos_[row_]), block = k_.constant(0);
    if (what_.has_slot) block = k_.let("slot_of_row", max(min(slot_[row_], value_of(k_, what_.slots) - 1), 0));
    own_ = own;
    const bool whole = what_.dense ? !what_.causal && what_.window == 0 : !what_.has_pos;
    end_ = whole ? C : k_.let("end_key", max(min(own + 1, C), 0));
    begin_ = what_.window > 0 ? k_.let("first_key", max(own + 1 - what_.window, 0)) : k_.constant(0);
    const Val kv_head = head_ / (what_.heads / what_.kv_heads);
    kv_first_ = k_.let("kv_first", (block * what_.kv_heads + kv_head) * C * D_);
  }

  Val kv_at(Val key, Val d) const { return kv_first_ + key * D_ + d; }

  /// Lane j: the score of key `key` + j, and 1 in `open` where the row may attend to it.
  void scores(const Spread& query, Val key, Val count, const Reg& score, const Reg& open) const {
    k_.for_("j", 0, count, [&](Val j) {
      const Reg part = k_.var("part", Kind::f32);
      const Val at = k_.let("k_at", key + j);
      fetch(keys_, at);
      query.visit([&](Val q, Val d) { part = mul_add(k_, q, f32_of(keys_[kv_at(at, d)]), part); });
      const Val dot = k_.let("dot", k_.lane_sum(part));
      score = select(k_.lane() == j, dot, Val(score));
    });
    // One turn: lane j has key + j.
    const Reg seen = k_.var("seen", Kind::f32, Rate::lane, kLowest);
    k_.for_lanes("at", key, key + count, [&](Val at) {
      const auto [may, value] = masked(at, sloped(at, capped(score * what_.scale)));
      seen = select(may, value, k_.constant(kLowest));
      open = select(may, k_.constant(1.0), k_.constant(0.0));
    });
    score = seen;
  }

  Val capped(Val s) const {
    if (what_.softcap <= 0) return s;
    return scalar_call(k_, "tanh", {s / what_.softcap}) * what_.softcap;
  }

  Val sloped(Val at, Val s) const { return what_.slopes ? s + slope_ * convert(at - own_, Kind::f32) : s; }

  /// May the row attend to key `at`, and its score with the mask.
  std::pair<Val, Val> masked(Val at, Val s) const {
    if (!what_.mask) return {k_.constant(1, Kind::b1), s};
    const Val place[] = {row_, head_, query_, at};
    const Extent heads = {what_.heads};
    const Extent* extents[] = {&what_.rows, &heads, &what_.queries, &what_.keys};
    Val index = k_.constant(0);
    for (std::size_t d = 0; d < 4; ++d)
      if (what_.mask->moves[d]) index = index * value_of(k_, *extents[d]) + place[d];
    const Val m = k_.let("mask_value", mask_[index]);
    if (m.kind() == Kind::b1) return {m, s};
    if (kir::is_integer(m.kind())) return {m != 0, s};
    const Val added = f32_of(m);
    return {!(added < kLowest), s + added};
  }

  /// sum[d] += weight_j · v[key + j, d]. A hidden key's value counts for nothing even if it is no number.
  void add_values(const Spread& sum, Val key, Val count, Val weight) const {
    k_.for_("j", 0, count, [&](Val j) {
      const Val w = k_.let("w", k_.lane_get(weight, j));
      const Val at = k_.let("v_at", key + j);
      fetch(values_, at);
      const auto add = [&] {
        sum.update([&](Val value, Val d) { return mul_add(k_, w, f32_of(values_[kv_at(at, d)]), value); });
      };
      if (what_.mask)
        k_.if_(w != 0.0, add);
      else
        add();
    });
  }

  /// Into a core's cache: the row that is read as far behind this one, so that it is there by then.
  void fetch(const Mem& rows, const Val& at) const {
    if (!k_.target().core_cache) return;
    constexpr int kAhead = 2048;
    const int size = kir::info(memory_kind(what_.kv)).bytes, bytes = k_.target().cache_line_bytes;
    k_.each("line", (D_ * size + bytes - 1) / bytes,
            [&](Val line) { k_.prefetch(rows[kv_at(at, line * (bytes / size))], kAhead); });
  }

  Val divided(Val sum, Val total) const {
    return select(total == 0.0, k_.constant(0.0), sum / select(total == 0.0, k_.constant(1.0), total));
  }

  void store_alone(const Spread& sum, Val all) const {
    sum.visit([&](Val value, Val d) { y_[first_ + d] = divided(value, all); });
  }

  /// Each subgroup saw other keys: their sums meet in shared memory, scaled to the largest score of all.
  void store_together(const Spread& sum, Val largest, Val own) const {
    const int subgroups = k_.target().subgroups;
    const Mem tops = k_.shared("tops", Kind::f32, subgroups), totals = k_.shared("totals", Kind::f32, subgroups),
              sums = k_.shared("sums", Kind::f32, subgroups * D_);
    tops[k_.subgroup()] = largest;
    totals[k_.subgroup()] = own;
    sum.visit([&](Val value, Val d) { sums[k_.subgroup() * D_ + d] = value; });
    k_.barrier();
    const Reg top = k_.var("top_of_all", Kind::f32, Rate::group, kLowest);
    k_.each("s", subgroups, [&](Val s) { top = max(Val(top), tops[s].load()); });
    const Tile factor = k_.tile("factor", subgroups, Kind::f32, Rate::group);
    const Reg total = k_.var("total_of_all", Kind::f32, Rate::group);
    k_.each("s", subgroups, [&](Val s) {
      factor[s] = exp(tops[s].load() - top);
      total += factor[s] * totals[s].load();
    });
    k_.for_group("d", 0, D_, [&](Val d) {
      const Reg all = k_.var("all", Kind::f32);
      k_.each("s", subgroups, [&](Val s) { all += factor[s] * sums[s * D_ + d].load(); });
      y_[first_ + d] = divided(all, total);
    });
  }

  Build& k_;
  const Attention& what_;
  int D_;
  Mem q_, keys_, values_, mask_, pos_, slot_, sinks_, slopes_, y_;
  Val row_, head_, query_, first_;  // of the workgroup; `first`: its place in q and y
  Val begin_, end_, kv_first_;      // keys that it sees; its kv head's place in k and v
  Val own_, slope_;
};

}  // namespace

TemplateKernel attention(const kir::Target& target, const Attention& what) {
  if (what.q == DType::f64)
    fail(ErrorCode::unsupported, "[sdpa] devices compute it in f32 only, not in f64; cast the queries");
  if (has_attention_tiles(target, what)) return attention_tiles(target, what);
  Build k(what.name, target);
  AttentionCode(k, what).run();
  std::vector<GridFactor> grid = {{what.rows, 1}, {Extent{what.heads}, 1}};
  if (!what.queries.is(1)) grid.push_back({what.queries, 1});
  return {.kernel = k.done(),
          .grid = std::move(grid),
          .reason = "a workgroup for each row and head; one pass over the keys"};
}

}  // namespace openinfer::kernels
