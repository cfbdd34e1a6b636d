// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/outer_tiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/panel_code.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Tile;
using kir::Val;

constexpr std::int64_t kFewestRows = 9;  // more than are decoded side by side
constexpr int kRestRows = 4;             // of the tiles that take what is left of a chunk
constexpr int kUnroll = 4;               // k at a time

int groups_at_once(const kir::Target& target) { return target.tuned_or("tile_depth", 0) / kPanelBlock; }

/// From a row of x to the next, in elements of its memory.
std::int64_t x_stride(const ProductParts& p) {
  if (p.what().bf16) return bf16_stride(p.K()) / 2;
  return p.what().apart ? f32_stride(p.K()) : p.K();
}

/// A workgroup's columns for a chunk of rows. A subgroup has panels of its own, a lane columns of its own: what a lane
/// reads of the tiles in shared memory it has written itself.
class OuterTiles {
 public:
  explicit OuterTiles(const ProductParts& p)
      : k_(p.k()),
        p_(p),
        wide_(std::min(k_.lanes(), kPanelRows)),
        panels_(k_.target().tuned_or("tile_panels", 2)),
        depth_(groups_at_once(k_.target())),
        tile_rows_(k_.target().tuned_or("tile_rows", 4)),
        pairs_(p.what().bf16),
        x_stride_(x_stride(p)) {
    const int subgroups = k_.target().subgroups;
    w_tile_ = k_.shared("w_tile", element(), subgroups * depth_ * steps() * width());
    sum_tiles_ = p.shared_sums(subgroups * sum_rows() * width());
    const std::vector<Product::Weight>& weights = p.what().weights;
    if (!turns_in_registers() && std::any_of(weights.begin(), weights.end(), has_float_rows))
      piece_ = k_.shared("piece", element(), k_.lanes() * (piece_run() + 1));
  }

  int columns() const { return width() * k_.target().subgroups; }
  int tile_rows() const { return tile_rows_; }

  void run(std::size_t place, const Val& first) const {
    const Val start = k_.target().subgroups == 1 ? first : k_.let("column", first + k_.subgroup() * width());
    const auto all = [&] { own_columns(place, start); };
    if (k_.target().subgroups == 1) return all();
    k_.if_(start < columns_of(p_.weights_at(place)[0]), all);
  }

 private:
  /// Columns of a subgroup.
  int width() const { return panels_ * std::max(k_.lanes(), kPanelRows); }
  /// Vectors that are as wide.
  int vectors() const { return width() / k_.lanes(); }
  /// The last tile may have rows behind those that there are.
  int sum_rows() const { return p_.tile() + kRestRows - 1; }
  /// What x and the tile of weights have, a place for one k or, of bf16, for a pair.
  Kind element() const { return pairs_ ? Kind::u32 : Kind::f32; }
  /// Such places along a group.
  int steps() const { return pairs_ ? kPanelBlock / 2 : kPanelBlock; }
  /// Such places of a row that are turned at once.
  int piece_run() const { return std::clamp(k_.lanes(), 2, steps()); }
  bool turns_in_registers() const {
    return k_.target().core_cache && k_.target().lanes_are_vectors() && piece_run() == k_.lanes();
  }
  Val columns_of(std::size_t weight) const { return value_of(k_, p_.what().weights[weight].columns); }
  /// Where the subgroup's part of something in shared memory starts.
  Val own(const Val& at, int size) const { return k_.target().subgroups == 1 ? at : k_.subgroup() * size + at; }
  Val w_at(const Val& at) const { return own(at, depth_ * steps() * width()); }
  Val sum_at(const Val& at) const { return own(at, sum_rows() * width()); }

  void own_columns(std::size_t place, const Val& start) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    const Val rows = k_.let("rows_here", min(p_.n_rows() - p_.first_row(), p_.tile()));
    for (std::size_t i = 0; i < weights.size(); ++i) multiply(weights[i], sum_tiles_[i], start, rows);
    finish(place, weights, start, rows);
  }

  /// The sums of that weight's columns: all of k, a tile's depth at a time.
  void multiply(std::size_t weight, const Mem& sums, const Val& start, const Val& rows) const {
    const std::int64_t groups = p_.K() / kPanelBlock;
    const Val zeros = k_.let("zeros", (rows + (kRestRows - 1)) * vectors());
    k_.for_("i", 0, zeros, [&](const Val& i) { sums[sum_at(i * k_.lanes() + k_.lane())] = 0.0; });
    k_.for_(
        "first_group", 0, groups,
        [&](const Val& first) {
          const Val here =
              k_.let("groups_here", groups % depth_ == 0 ? k_.constant(depth_) : min(groups - first, depth_));
          if (p_.weight(weight).in_blocks())
            decode(weight, start, first, here);
          else
            turn(weight, start, first, here);
          const Val whole = k_.let("whole", rows / tile_rows_ * tile_rows_);
          k_.for_(
              "row", 0, whole, [&](const Val& row) { rows_times_tile(sums, row, first, here); }, 1, tile_rows_);
          k_.for_(
              "row", whole, rows, [&](const Val& row) { rest_times_tile(sums, row, rows, first, here); }, 1, kRestRows);
        },
        1, depth_);
  }

  /// Elements [32 · first, 32 · (first + here)) of the columns as w_tile[k][column], or [pair of k][column]. Behind the
  /// last panel that one again: its sums are not stored.
  void decode(std::size_t weight, const Val& start, const Val& first, const Val& here) const {
    const StoredMatrix& w = p_.weight(weight);
    const PanelCode& code = w.panel();
    const Extent& columns = p_.what().weights[weight].columns;
    const int of_panel = kPanelRows / wide_;
    k_.for_("panel", 0, panels_, [&](const Val& panel) {
      Val number = start / kPanelRows + panel * (width() / panels_ / kPanelRows);
      if (k_.lanes() > kPanelRows) number = number + k_.lane_of(kPanelRows);
      if (!columns.known() || columns.value % this->columns() != 0)
        number = min(number, columns_of(weight) / kPanelRows - 1);
      const Val blocks = k_.let("first_block", number * (p_.K() / code.size()));
      k_.for_("g", 0, here, [&](const Val& g) {
        const Val group = k_.let("group_of_row", first + g);
        const kir::Slot slot = w.memory().block(k_.let("at", blocks + group / code.groups));
        const Val in_block = code.groups == 1 ? k_.constant(0) : k_.let("in_block", group % code.groups);
        prefetch({slot, k_.lane_in(kPanelRows), in_block}, code);
        for (int v = 0; v < of_panel; ++v)
          decode_group({slot, k_.lane_in(kPanelRows) + v * wide_, in_block}, code,
                       k_.let("to", g * (steps() * width()) + (panel * of_panel + v) * k_.lanes()));
      });
    });
  }
  void decode_group(const PanelBlock& block, const PanelCode& code, const Val& to) const {
    const Val fifth = code.fifth_bits(k_, block);
    const Val low = code.has_minimum ? k_.let("low", code.minimum(block)) : Val();
    const int words = code.words / code.scales;
    for (int s = 0; s < code.scales; ++s) {
      const Val scale = k_.let("scale", code.scale(block, s));
      k_.for_("word", s * words, (s + 1) * words, [&](const Val& number) {
        const Val word = k_.let("quants", code.word(block, number));
        const Val at = k_.let("w_at", to + number * (steps() / 8 * width()));
        const auto decoded = [&](const Val& byte, const Val& half) {
          const Val q = code.quant(word, fifth, number, byte, half);
          return code.has_minimum ? mul_add(k_, scale, q, low) : scale * q;
        };
        k_.each(pairs_ ? "pair" : "byte", steps() / 8, [&](const Val& i) {
          k_.each("half", code.parts, [&](const Val& half) {
            w_tile_[w_at(at + (i + half * (steps() / 2)) * width() + k_.lane())] =
                pairs_ ? bf16_pair(decoded(i * 2, half), decoded(i * 2 + 1, half)) : decoded(i, half);
          });
        });
      });
    }
  }
  /// The same of plain rows: lanes along k as they lie, then along the rows.
  void turn(std::size_t weight, const Val& start, const Val& first, const Val& here) const {
    const Mem& w = p_.weight(weight).memory();
    const Extent& columns = p_.what().weights[weight].columns;
    const bool whole = columns.known() && columns.value % this->columns() == 0;
    const int run = piece_run(), in_place = kPanelBlock / steps();
    k_.for_("v", 0, vectors(), [&](const Val& v) {
      const Val column = k_.let("column", start + v * k_.lanes());
      k_.for_("step", 0, here * (steps() / run), [&](const Val& step) {
        const Val k = k_.let("k", first * kPanelBlock + step * (run * in_place));
        const auto row = [&](const Val& c) {
          const Val from_row = whole ? column + c : min(column + c, columns_of(weight) - 1);
          const Val from = k_.let("from", from_row * p_.K() + k);
          fetch_next_piece(w, p_.what().weights[weight].dtype, from);
          return from;
        };
        const auto element = [&](const Val& from, const Val& j) {
          const Val at = from + j * in_place;
          return pairs_ ? bf16_pair(as(w[at], Kind::f32), as(w[at + 1], Kind::f32)) : as(w[at], Kind::f32);
        };
        const auto to = [&](const Val& j) { return w_tile_[(step * run + j) * width() + v * k_.lanes() + k_.lane()]; };
        turns_in_registers() ? turn_piece(row, element, to) : turn_stored_piece(row, element, to);
      });
    });
  }
  /// Of as many rows as lanes: where a row's elements are, one of them, and what lanes along the rows have of one k.
  using Row = std::function<Val(const Val& c)>;
  using Element = std::function<Val(const Val& from, const Val& j)>;
  using Turned = std::function<kir::Elem(const Val& j)>;
  void turn_piece(const Row& row, const Element& element, const Turned& to) const {
    const Tile piece = k_.tile("piece", k_.lanes(), this->element());
    k_.each("c", k_.lanes(), [&](const Val& c) { piece[c] = element(row(c), k_.lane()); });
    piece.turn();
    k_.each("j", k_.lanes(), [&](const Val& j) { to(j) = piece[j]; });
  }
  /// Where lanes are no vectors, or there are fewer steps: by a piece in shared memory.
  void turn_stored_piece(const Row& row, const Element& element, const Turned& to) const {
    const int run = piece_run(), stride = run + 1;
    k_.for_("c", 0, k_.lanes(), [&](const Val& c) {
      const Val from = row(c);
      k_.for_lanes("j", 0, run, [&](const Val& j) { piece_[c * stride + j] = element(from, j); });
    });
    k_.barrier();
    k_.for_("j", 0, run, [&](const Val& j) { to(j) = Val(piece_[k_.lane() * stride + j]); });
    k_.barrier();
  }

  /// What the same row gives to the next tile, which lies far from what all other rows give, is fetched while rows are
  /// multiplied; behind the last tile of k that is of no use, and does no harm.
  void fetch_next_piece(const Mem& w, DType dtype, const Val& from) const {
    if (k_.target().tuned_or("prefetch_bytes", 4096) <= 0) return;
    const int bytes = kir::info(memory_kind(dtype)).bytes, in_line = k_.target().cache_line_bytes / bytes;
    const int elements = piece_run() * (kPanelBlock / steps());
    k_.each("line", std::max(elements / in_line, 1),
            [&](const Val& line) { k_.prefetch(w[from + line * in_line], depth_ * kPanelBlock * bytes); });
  }

  /// What is decoded next time is fetched while rows are multiplied: a group's share of the lines that all groups of a
  /// block have a part of.
  void prefetch(const PanelBlock& block, const PanelCode& code) const {
    if (k_.target().tuned_or("prefetch_bytes", 4096) <= 0 || k_.lanes() > kPanelRows) return;
    const int ahead = code.record.size_bytes() / code.groups * depth_;
    for (const kir::Record::Field& field : code.record.fields) {
      const int in_line = k_.target().cache_line_bytes / kir::info(field.kind).bytes,
                lines = std::max(field.count / in_line, 1);
      if (lines % code.groups != 0) continue;
      const int share = lines / code.groups;
      k_.each("line", share, [&](const Val& line) {
        k_.prefetch(block.slot[field.name]((block.group * share + line) * in_line), ahead);
      });
    }
  }

  /// What row m has at some k.
  using RowsAt = std::function<Val(const Val& m)>;

  /// sums[row + m] += Σ over the tile's k, for tile_rows rows.
  void rows_times_tile(const Mem& sums, const Val& row, const Val& first, const Val& here) const {
    const Val x_row = k_.let("x_row", (p_.first_row() + row) * x_stride_ + first * steps());
    const auto fetch_next = [&](const Val& g) { prefetch_rows(k_.let("x_group", x_row + g * steps())); };
    add_tile(sums, row, tile_rows_, here, fetch_next, [&](const Val& k) -> RowsAt {
      const Val at = k_.let("x_at", x_row + k);  // the rows lie apart by a number that is known: one address serves all
      return [this, at](const Val& m) { return p_.x_memory()[at + m * x_stride_].load(); };
    });
  }
  /// The same for rows of which there may be fewer: the last one again, whose sums nobody reads.
  void rest_times_tile(const Mem& sums, const Val& row, const Val& rows, const Val& first, const Val& here) const {
    const Tile x_rows = k_.tile("x_row", kRestRows, Kind::i32, kir::Rate::subgroup);
    k_.each("m", kRestRows,
            [&](const Val& m) { x_rows[m] = (p_.first_row() + min(row + m, rows - 1)) * x_stride_ + first * steps(); });
    add_tile(sums, row, kRestRows, here, {}, [&](const Val& k) -> RowsAt {
      return [this, x_rows, k](const Val& m) { return p_.x_memory()[x_rows[m] + k].load(); };
    });
  }
  /// A group of the rows behind the tile: each row's lines are few, and far from the next row's.
  void prefetch_rows(const Val& x_group) const {
    if (k_.target().tuned_or("prefetch_bytes", 4096) <= 0) return;
    const int bytes = pairs_ ? kir::info(element()).bytes : info(p_.what().x).block_bytes,
              in_line = k_.target().cache_line_bytes / bytes;
    const std::int64_t ahead = x_stride_ * tile_rows_ * bytes;
    k_.each("m", tile_rows_, [&](const Val& m) {
      k_.each("line", std::max(steps() / in_line, 1), [&](const Val& line) {
        k_.prefetch(p_.x_memory()[x_group + (m * x_stride_ + line * in_line)], static_cast<int>(ahead));
      });
    });
  }
  void add_tile(const Mem& sums, const Val& row, int rows, const Val& here,
                const std::function<void(const Val& g)>& fetch_next,
                const std::function<RowsAt(const Val& k)>& x) const {
    const Tile sum = k_.tile("sum", rows * vectors(), Kind::f32);
    k_.for_("g", 0, here, [&](const Val& g) {
      if (fetch_next) fetch_next(g);
      const auto one = [&](const Val& j) {
        const Val k = k_.let(pairs_ ? "pair" : "k", g * steps() + j);
        const Val at = k_.let("w_at", w_at(k * width()));
        const RowsAt rows_at = x(k);
        const Tile w = k_.tile("w", vectors(), element());
        k_.each("v", vectors(), [&](const Val& v) { w[v] = w_tile_[at + v * k_.lanes() + k_.lane()]; });
        k_.each("m", rows, [&](const Val& m) {
          const Val x_k = k_.let("x_k", as(rows_at(m), element()));
          k_.each("v", vectors(), [&](const Val& v) {
            const Val place = m * vectors() + v;
            sum[place] = pairs_ ? bf16_dot(w[v], x_k, sum[place]) : mul_add(k_, w[v], x_k, sum[place]);
          });
        });
      };
      k_.for_("j", 0, steps(), one, kUnroll);
    });
    k_.each("m", rows, [&](const Val& m) {
      k_.each("v", vectors(), [&](const Val& v) {
        const Val at = sum_at((row + m) * width() + v * k_.lanes() + k_.lane());
        sums[at] = Val(sums[at]) + sum[m * vectors() + v];
      });
    });
  }

  /// Bias, tail and stores.
  void finish(std::size_t place, const std::vector<std::size_t>& weights, const Val& start, const Val& rows) const {
    const Val columns = columns_of(weights[0]);
    k_.for_("m", 0, rows, [&](const Val& m) {
      const auto store = [&](const Val& c) {
        Sums sums;
        for (std::size_t i = 0; i < weights.size(); ++i)
          sums.emplace_back(weights[i], k_.let("total", sum_tiles_[i][sum_at(m * width() + c)]));
        p_.store(place, sums, p_.first_row() + m, start + c);
      };
      const Val here = k_.let("columns_here", min(columns - start, width()));
      const bool in_panels = p_.weight(weights[0]).in_blocks();
      if (k_.lanes() > kPanelRows || !in_panels) return k_.for_lanes("c", 0, here, store);
      k_.for_("v", 0, here / k_.lanes(), [&](const Val& v) { store(v * k_.lanes() + k_.lane()); });
    });
  }

  Build& k_;
  const ProductParts& p_;
  int wide_;    // lanes along a panel
  int panels_;  // side by side, or as many times the lanes where there are more of them
  int depth_;   // in groups of 32
  int tile_rows_;
  bool pairs_;  // of bf16: x and W
  std::int64_t x_stride_;
  Mem w_tile_;
  Mem piece_;                   // of plain rows: as many as lanes, steps of each
  std::vector<Mem> sum_tiles_;  // of weights whose columns meet in one tail
};

}  // namespace

namespace {

/// Of any weights.
std::string why_no_tiles(const kir::Target& target, const Extent& rows, std::int64_t K) {
  if (groups_at_once(target) == 0) return "the device has no depth for tiles of weights";
  if (rows.value < kFewestRows) return fmt::format("at most {} rows", rows.value);
  return K % kPanelBlock == 0 ? "" : fmt::format("{} is no multiple of {}", K, kPanelBlock);
}

}  // namespace

std::string why_no_bf16_tiles(const kir::Target& target, const Extent& rows, std::int64_t K) {
  if (!target.bf16_dot) return "no kernel for the device multiplies bf16 faster than f32";
  return why_no_tiles(target, rows, K);
}

std::string why_no_outer_tiles(const kir::Target& target, const Product& what) {
  if (what.experts || what.int8 || what.x == DType::f64) return "x is no plain rows of f32 sums";
  const auto& why = what.bf16 ? why_no_bf16_tiles : why_no_tiles;
  if (std::string no = why(target, what.rows, what.inner.value); !no.empty()) return no;
  for (const Product::Weight& w : what.weights) {
    if (w.layout != Layout::panel16 && !has_float_rows(w)) return w.name + " is neither panels nor rows of floats";
    if (has_float_rows(w) && target.subgroups != 1) return "rows are turned by one subgroup";
  }
  return "";
}

bool wants_apart_rows(const kir::Target& target, const Product& what) {
  constexpr std::int64_t kFewSets = 2048;  // bytes
  if (what.bf16 || what.x != DType::f32 || !target.core_cache) return false;
  return what.inner.value * info(what.x).block_bytes % kFewSets == 0 && why_no_outer_tiles(target, what).empty();
}

TemplateKernel outer_tiles(const kir::Target& target, const Product& what) {
  Build k(what.name, target);
  if (const std::string why = why_no_outer_tiles(target, what); !why.empty()) k.fail("no tiles of weights: " + why);
  // To turn rows costs more than to decode panels: more rows of x share it.
  const bool turns = std::any_of(what.weights.begin(), what.weights.end(), has_float_rows);
  const std::int64_t chunk = std::int64_t{target.tuned_or("outer_chunk", 128)} * (turns ? 4 : 1);
  const Mem x = what.bf16 ? k.in(what.of, Kind::u32, "(N, stride / 2)")
                          : k.in(what.of, memory_kind(what.x), what.apart ? "(N, stride)" : "(N, K)");
  ProductParts p(k, what, chunk, x);
  const OuterTiles tiles(p);
  const int columns = tiles.columns();
  p.share_columns(columns, [&](std::size_t place, const Val& first) { tiles.run(place, first); });
  std::string reason =
      fmt::format("{}{} columns of W by {} k {} once for {} rows; tiles of {} rows in registers",
                  what.bf16 ? "pairs of bf16 with sums in f32: " : "", columns, groups_at_once(target) * kPanelBlock,
                  turns ? "turned" : "decoded", p.tile(), tiles.tile_rows());
  return {.kernel = k.done(), .grid = p.grid(columns), .reason = std::move(reason), .columns = p.parts(columns)};
}

}  // namespace openinfer::kernels
