// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/outer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Tile;
using kir::Val;

constexpr int kFewRows = 8;  // which a stream meets at once
constexpr int kPanelsOfBlock = static_cast<int>(kInt8Block) / kPanelRows;

// --- the walk ---

/// A workgroup's columns, for a chunk of rows.
class Outer {
 public:
  Outer(ProductParts& p, const Products& products, int side_by_side)
      : k_(p.k()),
        p_(p),
        products_(products),
        wide_(std::min(k_.lanes(), kPanelRows)),
        side_by_side_(side_by_side),
        panels_(in_blocks() ? std::max(side_by_side, kPanelsOfBlock) : side_by_side),
        depth_(groups_at_once()) {
    if (depth_ > 0) declare_decoded();
  }

  /// Columns of a subgroup: panels, or as many times the lanes where there are more of them.
  int columns() const { return panels_ * at_once(); }
  /// Groups of panels that are decoded at once, or 0.
  int depth() const { return depth_; }

  void run(std::size_t place, const Val& first, const std::vector<int>& heights) const {
    const Val start = k_.target().subgroups == 1 ? first : k_.let("column", first + k_.subgroup() * columns());
    const auto rows = [&] { all_rows(place, start, heights); };
    const bool whole = k_.lanes() <= kPanelRows && k_.target().subgroups == 1;  // there are whole panels only
    if (whole || panels_ > 1) return rows();
    k_.if_(start < count(place), rows);
  }

 private:
  /// Of blocks whose groups have scales made of bits; what others ask for is less than to store it.
  int groups_at_once() const {
    const auto& weights = p_.what().weights;
    const auto in_groups = [](const Product::Weight& w) { return panel_code(w.dtype).groups > 1; };
    const bool pays = products_.decode && std::any_of(weights.begin(), weights.end(), in_groups);
    if (vectors_at_once(side_by_side_) == 1 || p_.tile() <= kFewRows || !pays) return 0;
    if (k_.target().subgroups != 1 || k_.lanes() > kPanelRows) return 0;
    return k_.target().tuned_or("outer_depth", 0) / kPanelBlock;
  }
  void declare_decoded() {
    const int vectors = this->vectors() * panels_, lanes = vectors * k_.lanes();
    int scales = 1;
    bool minima = false;
    for (std::size_t w = 0; w < p_.what().weights.size(); ++w) {
      scales = std::max(scales, p_.weight(w).panel().scales);
      minima = minima || p_.weight(w).panel().has_minimum;
    }
    decoded_.vectors = vectors;
    decoded_.words = k_.shared("w_tile", Kind::i32, depth_ * (kPanelBlock / 4) * lanes);
    decoded_.scales = k_.shared("scales", Kind::f32, depth_ * scales * lanes);
    if (minima) decoded_.minima = k_.shared("minima", Kind::f32, depth_ * lanes);
    sums_ = p_.shared_sums(p_.tile() * lanes);
  }
  Val count(std::size_t place) const { return value_of(k_, p_.what().weights[place].columns); }
  /// Columns of a panel, or of as many as there are lanes for.
  int at_once() const { return std::max(k_.lanes(), kPanelRows); }
  /// Of a panel.
  int vectors() const { return kPanelRows / wide_; }
  bool in_blocks() const { return p_.blocks(0) != nullptr; }
  /// Vectors that an x meets at once.
  int vectors_at_once(int panels) const { return products_.side_by_side ? panels * vectors() : panels; }

  void all_rows(std::size_t place, const Val& start, const std::vector<int>& heights) const {
    if (p_.tile() == 1) return rows(place, start, 1, {p_.first_row(), 1, length()});
    const Val end = k_.let("end_row", min(p_.first_row() + p_.tile(), p_.n_rows()));
    if (side_by_side_ == 1 && depth_ == 0)
      return rows_of_panel(place, start, {p_.first_row(), end}, heights, p_.tile() > heights[0]);
    const int height = heights[0];
    const Val whole = k_.let("whole", p_.first_row() + (end - p_.first_row()) / height * height);
    if (depth_ > 0) {
      k_.if_(p_.first_row() < whole, [&] { decoded_once(place, start, {p_.first_row(), whole}, height); });
    } else {
      k_.for_(
          "row", p_.first_row(), whole,
          [&](const Val& row) {
            rows(place, start, side_by_side_, {row, height, length()});
          },
          1, height);
    }
    const std::vector<int> lower(heights.begin() + 1, heights.end());
    if (in_blocks()) return rows_of_panel(place, start, {whole, end}, lower, false);
    k_.for_("panel", 0, panels_, [&](const Val& panel) {
      rows_of_panel(place, k_.let("column", start + panel * at_once()), {whole, end}, lower, false);
    });
  }

  /// Tiles of the greatest height as long as they are full, if there may be such, then each height in turn as long as
  /// the next would not hold what is left: each weight is decoded as seldom as can be.
  void rows_of_panel(std::size_t place, const Val& start, const std::pair<Val, Val>& range,
                     const std::vector<int>& heights, bool many) const {
    Val from = range.first;
    const Val& end = range.second;
    for (std::size_t i = 0; i < heights.size(); ++i) {
      const int height = heights[i], next = i + 1 < heights.size() ? heights[i + 1] : 0;
      const bool full = height == 1 || (i == 0 && many);
      const Val tiles = full ? (end - from) / height : (end - from + (height - next - 1)) / height;
      const Val behind = from + tiles * height;
      const Val to = height == 1 ? end : k_.let("rest", full ? behind : min(behind, end));
      k_.for_(
          "row", from, to,
          [&](Val row) {
            if (full) return rows(place, start, 1, {row, height, length()});
            rows(place, start, 1, TileRows::before(end, row, height, length()), end);
          },
          1, height);
      from = to;
    }
  }

  /// Of a row of x, in what its memory has.
  std::int64_t length() const { return products_.x.fields.empty() ? p_.K() : p_.K() / kPanelBlock; }

  /// Of full tiles of rows: groups of the panels are decoded once for all of them, and their sums wait in shared
  /// memory.
  void decoded_once(std::size_t place, const Val& start, const std::pair<Val, Val>& range, int height) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    for (std::size_t i = 0; i < weights.size(); ++i) multiply_decoded(weights[i], sums_[i], start, range, height);
    const auto sums = [&](const Val& m, const Val& v) {
      Sums now;
      for (std::size_t i = 0; i < weights.size(); ++i) now.emplace_back(weights[i], sums_[i][sum_at(m, v)]);
      return now;
    };
    if (in_blocks()) {
      const auto some = [&](const Val& first) {
        const TileRows x = {range.first + first, together(height), length()};
        const Tile y = tile_of_blocks(x);
        k_.each("m", x.count, [&](const Val& m) {
          k_.each("panel", panels_, [&](const Val& panel) {
            k_.each("v", vectors(), [&](const Val& v) {
              const Val column = start + panel * at_once() + v * wide_ + k_.lane();
              y[place_in_blocks(m, panel, v)] =
                  p_.element_of_block(place, sums(first + m, v * panels_ + panel), x.first + m, column);
            });
          });
        });
        store_blocks(place, start, y, x, {});
      };
      return k_.for_("m", 0, range.second - range.first, some, 1, together(height));
    }
    k_.for_("m", 0, range.second - range.first, [&](const Val& m) {
      k_.each("v", vectors() * panels_, [&](const Val& v) {
        const Val column = start + v % panels_ * at_once() + v / panels_ * wide_ + k_.lane();
        p_.store(place, sums(m, v), range.first + m, column);
      });
    });
  }

  // --- results in 8-bit blocks ---

  /// Rows whose blocks are rounded together.
  static int together(int rows) { return rows % 4 == 0 ? 4 : 1; }
  /// Vectors of all the workgroup's panels, row by row.
  Tile tile_of_blocks(const TileRows& x) const { return k_.tile("y", x.count * panels_ * vectors(), Kind::f32); }
  Val place_in_blocks(const Val& m, const Val& panel, const Val& v) const {
    return m * (panels_ * vectors()) + panel * vectors() + v;
  }
  /// As rows(): `panels` at a time, until the blocks of each row are whole.
  void rows_in_blocks(std::size_t place, const Val& start, int panels, const TileRows& x, const Val& end) const {
    const Tile y = tile_of_blocks(x);
    k_.each("pass", panels_ / panels, [&](const Val& pass) {
      const Val first = k_.let("column", start + pass * (panels * at_once()));
      std::vector<std::pair<std::size_t, Tile>> sums;
      for (const std::size_t w : p_.weights_at(place)) sums.emplace_back(w, multiply(w, place, first, panels, x));
      k_.each("m", x.count, [&](const Val& m) {
        const Val row = row_of(x, m, end);
        k_.each("panel", panels, [&](const Val& panel) {
          k_.each("v", vectors(), [&](const Val& v) {
            Sums now;
            for (const auto& [w, sum] : sums) now.emplace_back(w, sum[(m * vectors() + v) * panels + panel]);
            y[place_in_blocks(m, pass * panels + panel, v)] =
                p_.element_of_block(place, now, row, first + panel * at_once() + v * wide_ + k_.lane());
          });
        });
      });
    });
    store_blocks(place, start, y, x, end);
  }
  /// Of a tile that may be partly empty: the last row once more, which is stored as often.
  Val row_of(const TileRows& x, const Val& m, const Val& end) const {
    return x.starts ? k_.let("row_of_tile", min(x.first + m, end - 1)) : x.first + m;
  }
  void store_blocks(std::size_t place, const Val& start, const Tile& y, const TileRows& x, const Val& end) const {
    const int of_row = panels_ / kPanelsOfBlock, vectors = p_.blocks(place)->vectors(), count = together(x.count);
    k_.each("rows", x.count / count, [&](const Val& rows) {
      for (int number = 0; number < of_row; ++number) {
        const auto block = [&](const Val& i) {
          return p_.block_at(place, row_of(x, rows * count + i, end), start + number * kInt8Block);
        };
        const auto at = [&](const Val& i) { return ((rows * count + i) * of_row + number) * vectors; };
        p_.blocks(place)->store_vectors(y, at, count, block);
      }
    });
  }

  void multiply_decoded(std::size_t weight, const Mem& sums, const Val& start, const std::pair<Val, Val>& range,
                        int height) const {
    const PanelCode& code = p_.weight(weight).panel();
    const int vectors = this->vectors() * panels_;
    const std::int64_t groups = p_.K() / kPanelBlock;
    k_.for_("i", 0, (range.second - range.first) * vectors,
            [&](const Val& i) { sums[i * k_.lanes() + k_.lane()] = 0.0; });
    const auto depth = [&](const Val& first) {
      const Val here = groups % depth_ == 0 ? k_.constant(depth_) : k_.let("groups_here", min(groups - first, depth_));
      k_.for_("g", 0, here, [&](const Val& g) { decode(weight, start, k_.let("group_of_row", first + g), g); });
      const auto tile = [&](const Val& row) {
        const TileRows x = {row, height, length()};
        const Tile sum = k_.tile("sum", height * vectors, Kind::f32);
        const Val m = row - range.first;
        k_.each("i", height * vectors, [&](const Val& i) { sum[i] = sums[sum_at(m, i)]; });
        const int at_once = vectors_at_once(side_by_side_);
        for (int from = 0; from < vectors; from += at_once)
          k_.for_("g", 0, here, [&](const Val& g) {
            products_.add({k_, code, {}, at_once, p_.x_memory(), x, first + g, sum, &decoded_, g, from});
          });
        k_.each("i", height * vectors, [&](const Val& i) { sums[sum_at(m, i)] = Val(sum[i]); });
      };
      k_.for_("row", range.first, range.second, tile, 1, height);
    };
    k_.for_("first_group", 0, groups, depth, 1, depth_);
  }
  /// Of a tile's first row and the number of a vector in it.
  Val sum_at(const Val& row, const Val& i) const { return (row * (vectors() * panels_) + i) * k_.lanes() + k_.lane(); }

  /// Group `group` of the panels to place g.
  void decode(std::size_t weight, const Val& start, const Val& group, const Val& g) const {
    const StoredMatrix& w = p_.weight(weight);
    const PanelCode& code = w.panel();
    const Val in_block = code.groups == 1 ? k_.constant(0) : k_.let("in_block", group % code.groups);
    std::vector<kir::Slot> slots;
    for (int panel = 0; panel < panels_; ++panel) {
      const Val first = (start / kPanelRows + panel) * (p_.K() / code.size());
      slots.push_back(w.memory().block(k_.let("at", first + group / code.groups)));
      fetch_ahead(k_, code, slots.back(), in_block, code.record.size_bytes() / code.groups * depth_);
    }
    std::vector<PanelBlock> blocks;
    for (int v = 0; v < vectors(); ++v)
      for (const kir::Slot& slot : slots) blocks.push_back({slot, k_.lane_in(kPanelRows) + v * wide_, in_block});
    products_.decode({k_, code, blocks, decoded_, g});
  }

  /// `end`: of the rows that there are, where the tile may have more.
  void rows(std::size_t place, const Val& start, int panels, const TileRows& x, const Val& end = {}) const {
    if (in_blocks()) return rows_in_blocks(place, start, panels, x, end);
    std::vector<std::pair<std::size_t, Tile>> sums;
    for (const std::size_t w : p_.weights_at(place)) sums.emplace_back(w, multiply(w, place, start, panels, x));
    const auto store = [&](const Val& m, const Val& v, const Val& column) {
      Sums now;
      for (const auto& [weight, sum] : sums) now.emplace_back(weight, sum[m * (vectors() * panels) + v]);
      p_.store(place, now, x.first + m, column);
    };
    const auto store_panel = [&](const Val& m, const Val& panel) {
      const Val first = start + panel * at_once();
      if (k_.lanes() > kPanelRows) {
        const Val last = panels > 1 ? first + k_.lanes() : min(first + k_.lanes(), count(place));
        k_.for_lanes("at", first, last, [&](Val column) { store(m, panel, column); });
        return;
      }
      k_.each("v", vectors(), [&](Val v) { store(m, v * panels + panel, first + v * wide_ + k_.lane()); });
    };
    const auto store_row = [&](const Val& m) {
      k_.each("panel", panels, [&](const Val& panel) { store_panel(m, panel); });
    };
    k_.each("m", x.count, [&](Val m) {
      if (!x.starts) return store_row(m);
      k_.if_(x.first + m < end, [&] { store_row(m); });
    });
  }

  void fetch_ahead_all(const PanelCode& code, const std::vector<kir::Slot>& slots, int bytes) const {
    for (const kir::Slot& slot : slots) fetch_ahead(k_, code, slot, k_.constant(0), bytes);
  }
  /// Line `number` of each panel's quants, of the panels that many bytes behind these; none beyond the last.
  void fetch_line_behind(const StoredMatrix& w, const std::vector<Val>& firsts, const Val& number, std::int64_t blocks,
                         int bytes) const {
    const int lines = lines_of_quants(k_, w.panel());
    const Val block = k_.let("ahead", number / lines);
    k_.if_(block < blocks, [&] {
      const Val line = k_.let("line", number % lines);
      for (const Val& first : firsts)
        fetch_line(k_, w.panel(), w.memory().block(k_.let("at", first + block)), line, bytes);
    });
  }

  /// The sums of that weight's panels [row][vector of a panel][panel]: of each lane, if there are more than sixteen.
  Tile multiply(std::size_t weight, std::size_t place, const Val& start, int panels, const TileRows& x) const {
    const StoredMatrix& w = p_.weight(weight);
    const PanelCode& code = w.panel();
    const std::int64_t blocks = p_.K() / code.size();
    // Of several full tiles all but the first find the panel in a cache.
    const int tiles = std::max(p_.tile() / x.count, 1);
    const bool stream = x.count == 1 || x.starts || tiles == 1 || p_.tile() <= kFewRows;
    const auto next = static_cast<int>(panels * blocks * code.record.size_bytes());  // panels behind those side by side
    // The first would wait for its panels: while these are multiplied, the next ones are fetched, a line of each panel
    // at every step of the first tiles of rows until all are.
    const bool fetches_next = !stream && panels > 1 && code.groups == 1;
    Val first_line, few;  // too few tiles for that: each fetches all of them
    if (fetches_next) {
      first_line = k_.let("first_line", (x.first - p_.first_row()) / x.count * blocks);
      few = k_.let("few", p_.n_rows() - p_.first_row() < lines_of_quants(k_, code) * x.count);
    }
    const Tile sum = k_.tile("sum", x.count * vectors() * panels, Kind::f32);
    std::vector<Val> firsts;
    for (int panel = 0; panel < panels; ++panel) {
      Val number = start / kPanelRows + panel * (at_once() / kPanelRows);
      if (k_.lanes() > kPanelRows) number = min(number + k_.lane_of(kPanelRows), count(place) / kPanelRows - 1);
      firsts.push_back(k_.let("first_block", number * blocks));
    }
    k_.for_("b", 0, blocks, [&](Val b) {
      std::vector<kir::Slot> slots;
      for (const Val& first : firsts) slots.push_back(w.memory().block(k_.let("at", first + b)));
      const auto fetch = [&](const std::optional<Val>& group = std::nullopt) {
        for (const kir::Slot& slot : slots) fetch_ahead(k_, code, slot, group, panels > 1 ? next : 0);
      };
      if (stream) fetch();
      if (fetches_next)
        k_.if_(
            few, [&] { fetch_ahead_all(code, slots, next); },
            [&] { fetch_line_behind(w, firsts, k_.let("number", first_line + b), blocks, next); });
      const auto add = [&](const auto& products, const Val& g, int half) {
        std::vector<PanelBlock> of_vectors;
        for (int v = 0; v < vectors(); ++v)
          for (const kir::Slot& slot : slots) of_vectors.push_back({slot, k_.lane_in(kPanelRows) + v * wide_, g, half});
        products({k_, code, of_vectors, vectors_at_once(panels), p_.x_memory(), x, b * code.groups + g, sum});
      };
      const auto group = [&](Val g) {
        if (stream) fetch(g);
        add(products_.add, g, -1);
      };
      if (code.groups == 1) return group(k_.constant(0));
      if (x.count == 1 && code.grouped.pair && products_.add_pair) {
        const int of_half = code.groups / 2;
        for (int half = 0; half < 2; ++half) {
          const auto pair = [&](Val g) {
            fetch(g);
            fetch(g + 1);
            add(products_.add_pair, g, half);
          };
          k_.for_("g", half * of_half, (half + 1) * of_half, pair, 1, 2);
        }
        return;
      }
      k_.for_("g", 0, code.groups, group, x.count == 1 ? 2 : 1);  // two share the bytes of their nibbles
    });
    return sum;
  }

  Build& k_;
  ProductParts& p_;
  const Products& products_;
  int wide_;          // lanes along a panel
  int side_by_side_;  // panels that a tile of a prompt's rows meets
  int panels_;        // of a workgroup
  int depth_;         // groups of them that are decoded at once; 0: they are read where they lie
  DecodedGroups decoded_;
  std::vector<Mem> sums_;  // of weights whose columns meet in one tail
};

/// Panels that a tile of rows meets side by side, where all columns go into them. Eight rows at once: of weights that
/// take less than a byte each, since others are read for longer than they are multiplied, and fastest as one stream.
int panels_side_by_side(const kir::Target& target, const Product& what, const Products& products) {
  const int panels = products.side_by_side ? target.tuned_or("outer_panels", 1) : 1;
  if (what.experts || what.rows.value < kFewRows) return 1;
  const auto in_blocks = [](const Pointwise::Output& o) { return o.int8; };
  for (const Pointwise& tail : what.tails)
    if (panels % kPanelsOfBlock != 0 && std::any_of(tail.outputs.begin(), tail.outputs.end(), in_blocks)) return 1;
  const std::int64_t columns = std::int64_t{panels} * std::max(target.lanes, kPanelRows) * target.subgroups;
  const auto fits = [&](const Product::Weight& w) {
    const PanelCode& code = panel_code(w.dtype);
    const bool less_than_bytes = code.record.size_bytes() < kPanelRows * code.size();
    const bool divides = w.columns.known() && w.columns.value % columns == 0;
    return divides && (what.rows.value > kFewRows || less_than_bytes);
  };
  return std::all_of(what.weights.begin(), what.weights.end(), fits) ? panels : 1;
}

/// Heights of tiles: the device's, then smaller ones for the rows that are left; none that holds more than there are
/// where the next one does. Of panels side by side the first is theirs, and those behind it one panel's.
std::vector<int> tile_heights(const kir::Target& target, std::int64_t most, int panels, bool together) {
  std::vector<int> heights;
  const int vectors = together ? std::max(kPanelRows / target.lanes, 1) : 1;
  const int tallest = std::max(target.tuned_or("outer_rows", 4) / (panels * vectors), 1);
  for (const int height : {tallest, std::max(kFewRows / vectors, 1), std::max(4 / vectors, 1), 1}) {
    if (!heights.empty() && height >= heights.back()) continue;
    if (!heights.empty() && height >= most) heights.clear();
    heights.push_back(height);
  }
  if (panels > 1) heights.insert(heights.begin(), tallest);
  return heights;
}

}  // namespace

bool stores_int8_rows(const kir::Target& target, const Product& what) {
  if (!what.int8 || what.experts || what.siblings == Product::Siblings::stacked) return false;
  if (what.rows.value < kFewRows) return false;
  if (!has_int8_vectors(target) || target.lanes > kPanelRows) return false;
  return std::all_of(what.weights.begin(), what.weights.end(), [](const Product::Weight& w) {
    return w.layout == Layout::panel16 && w.columns.known() && w.columns.value % kInt8Block == 0;
  });
}

Val DecodedGroups::place(const Val& group, int count, const Val& at, int vector) const {
  Build& k = *group.build();
  return ((group * count + at) * vectors + vector) * k.lanes() + k.lane();
}

TemplateKernel outer(const kir::Target& target, const Product& what, const Products& products) {
  Build k(what.name, target);
  if (what.x == DType::f64) k.fail("panels have sums in f32 only");
  const int chunk = target.tuned_or("outer_chunk", 128), ahead = target.tuned_or("prefetch_bytes", 4096);
  ProductParts p(k, what, chunk, products.x);
  const int panels = panels_side_by_side(target, what, products);
  const Outer outer(p, products, panels);
  if (p.blocks(0) && !stores_int8_rows(target, what)) k.fail("no 8-bit blocks of such columns");
  const std::vector<int> heights = tile_heights(target, p.tile(), panels, products.side_by_side);
  const int columns = outer.columns() * target.subgroups;
  p.share_columns(columns, [&](std::size_t place, const Val& first) { outer.run(place, first, heights); });
  std::string reason = fmt::format("panels of 16 rows of W as lanes, {} products; ", products.name);
  if (p.blocks(0)) reason += "results in 8-bit blocks, of two panels each; ";
  if (outer.depth() > 0) reason += fmt::format("{} k of them decoded once for a chunk; ", outer.depth() * kPanelBlock);
  const auto first_of_one = heights.begin() + (panels > 1 ? 1 : 0);
  if (panels > 1) reason += fmt::format("tiles of {} rows by {} panels, then ", heights[0], panels);
  if (p.tile() > 1)
    reason += fmt::format("tiles of {} rows in chunks of {}", fmt::join(first_of_one, heights.end(), ", "), p.tile());
  else
    reason += fmt::format("fetched {} B ahead", ahead);
  return {.kernel = k.done(), .grid = p.grid(columns), .reason = std::move(reason), .columns = p.parts(columns)};
}

}  // namespace openinfer::kernels
