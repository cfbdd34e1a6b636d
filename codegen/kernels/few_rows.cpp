// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/few_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Tile;
using kir::Val;

/// Of a product of pairs: W is read once for each tile. Turning it once for all (outer_tiles.h) cost more than four
/// tiles when this was chosen: sixteen rows 3.2 times as fast here (1.1B f16, Zen 5; bench/cpu/zen5.md).
constexpr std::int64_t kMostRowsOfPairs = 32;

/// Of floats in f32; 0: the device says nothing.
int tuned_rows(const kir::Target& target) { return target.tuned_or("few_rows_at_once", 0); }

/// What a lane multiplies at a step along k, and how many sums it has in registers.
struct Schedule {
  Kind element;           // of x and of a column: an f32, or a pair of bf16
  int of_step;            // k of an element
  std::int64_t x_stride;  // of rows, in elements
  bool spare_rows;        // does x have rows behind the last?
  int columns;            // of a call
  int columns_at_once;    // read side by side: each line of x, which comes from the second-level cache, serves them all
  int rows_at_once;
  std::string k, w;  // names of the place along k and of what the columns have there
};
/// Three columns by four or eight rows fill 16 or 32 registers; 24 columns are whole vectors of eight lanes, of more
/// the last of a row is part of one. Five rows go as twice three, not as four and four.
Schedule floats(const ProductParts& p) {
  const int most = tuned_rows(p.k().target()), tiles = (p.tile() + most - 1) / most;
  return {.element = Kind::f32,
          .of_step = 1,
          .x_stride = p.K(),
          .spare_rows = false,
          .columns = 24,
          .columns_at_once = 3,
          .rows_at_once = (p.tile() + tiles - 1) / tiles,
          .k = "k",
          .w = "w_k"};
}
/// The 32 sums are more than registers hold beside W, which costs less than reading x for three columns at a time
/// (Zen 5, one thread: 1.04 times as fast).
Schedule bf16_pairs(const ProductParts& p) {
  return {.element = Kind::u32,
          .of_step = 2,
          .x_stride = bf16_stride(p.K()) / 2,
          .spare_rows = true,
          .columns = 16,
          .columns_at_once = 4,
          .rows_at_once = p.tile(),
          .k = "pair",
          .w = "w_pairs"};
}

/// A call's columns for a tile of rows.
class FewRows {
 public:
  explicit FewRows(const ProductParts& p)
      : k_(p.k()), p_(p), s_(p.what().bf16 ? bf16_pairs(p) : floats(p)), sums_(p.shared_sums(places())) {}

  const Schedule& schedule() const { return s_; }

  void run(std::size_t place, const Val& first) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    const Extent& columns = p_.what().weights[weights[0]].columns;
    const Val here = columns.known() && columns.value % s_.columns == 0
                         ? k_.constant(s_.columns)
                         : k_.let("columns_here", min(value_of(k_, columns) - first, s_.columns));
    const Val rows = k_.let("rows_here", min(p_.n_rows() - p_.first_row(), p_.tile()));
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto of_columns = [&](const Val& c) {
        const auto tile = [&](const Val& row) { multiply(weights[i], sums_[i], first, c, row); };
        if (s_.rows_at_once == p_.tile()) return tile(k_.constant(0));
        k_.for_("row", 0, rows, tile, 1, s_.rows_at_once);
      };
      k_.for_("c", 0, here, of_columns, 1, s_.columns_at_once);
    }
    finish(place, weights, first, here, rows);
  }

 private:
  /// Sums of a call. The last tile may have rows behind those that there are.
  int places() const { return (p_.tile() + s_.rows_at_once - 1) / s_.rows_at_once * s_.rows_at_once * s_.columns; }
  /// Those from `row` of the tile on.
  TileRows x_rows(const Val& row) const {
    const Extent& all = p_.what().rows;
    const bool full = all.known() && all.value % p_.tile() == 0 && p_.tile() % s_.rows_at_once == 0;
    const Val first = k_.let("row_of_x", p_.first_row() + row);
    if (s_.spare_rows || full) return {first, s_.rows_at_once, s_.x_stride};
    return TileRows::before(p_.n_rows(), first, s_.rows_at_once, s_.x_stride);
  }

  /// The sums of some columns of the call, from c on, for some rows of the tile, from `row` on.
  void multiply(std::size_t weight, const Mem& sums, const Val& first, const Val& c, const Val& row) const {
    const Tile sum = k_.tile("sum", s_.rows_at_once * s_.columns_at_once, Kind::f32);
    const TileRows x = x_rows(row);
    const Val x_row = k_.let("x_row", x.start());
    const Val column = k_.let("column", first + c);
    k_.for_lanes(s_.k, 0, p_.K() / s_.of_step, [&](const Val& at) {
      prefetch_columns(p_, weight, column, at * s_.of_step, s_.columns_at_once, s_.of_step * k_.lanes());
      add_step(sum, x, k_.let("x_at", x_row + at), weight, column, at);
    });
    add_lanes(sum, sums, row, c);
  }
  /// Element `at` along k: once for all rows and columns.
  void add_step(const Tile& sum, const TileRows& rows, const Val& x_at, std::size_t weight, const Val& column,
                const Val& at) const {
    const Mem& stored = p_.weight(weight).memory();
    const Tile w = k_.tile(s_.w, s_.columns_at_once, s_.element);
    k_.each("j", s_.columns_at_once, [&](const Val& j) {
      const Val w_at = k_.let("w_at", column_of(weight, column, j) * p_.K() + at * s_.of_step);
      const Val number = as(stored[w_at], Kind::f32);
      w[j] = s_.of_step == 2 ? bf16_pair(number, as(stored[w_at + 1], Kind::f32)) : number;
    });
    k_.each("m", s_.rows_at_once, [&](const Val& m) {
      const Val x = k_.let("x_k", as(p_.x_memory()[x_at + rows.behind(m)], s_.element));
      k_.each("j", s_.columns_at_once, [&](const Val& j) {
        const Val place = m * s_.columns_at_once + j;
        sum[place] = s_.of_step == 2 ? bf16_dot(w[j], x, sum[place]) : mul_add(k_, w[j], x, sum[place]);
      });
    });
  }
  /// Behind the last column that one again, whose sums nobody reads.
  Val column_of(std::size_t weight, const Val& column, const Val& j) const {
    const Extent& columns = p_.what().weights[weight].columns;
    const bool whole = columns.known() && columns.value % s_.columns_at_once == 0;
    return whole ? column + j : min(column + j, value_of(k_, columns) - 1);
  }

  /// What the lanes have of a tile of sums, as sums of `to`: four at a time.
  void add_lanes(const Tile& sum, const Mem& to, const Val& row, const Val& c) const {
    const auto place = [&](const Val& number) {
      return to[(row + number / s_.columns_at_once) * s_.columns + c + number % s_.columns_at_once];
    };
    const int count = s_.rows_at_once * s_.columns_at_once, quarter = k_.lanes() / 4;
    const int together = quarter == 0 ? 0 : count / 4 * 4;
    k_.each("four", together / 4, [&](const Val& four) {
      const auto of = [&](int j) -> Val { return sum[four * 4 + j]; };
      const Val totals = k_.let("totals", k_.lane_sums(of(0), of(1), of(2), of(3)));
      k_.each("j", 4, [&](const Val& j) { place(four * 4 + j) = k_.lane_get(totals, j * quarter); });
    });
    k_.each("i", count - together, [&](const Val& i) { place(i + together) = k_.lane_sum(sum[i + together]); });
  }

  /// Bias, tail and stores.
  void finish(std::size_t place, const std::vector<std::size_t>& weights, const Val& first, const Val& here,
              const Val& rows) const {
    k_.barrier();
    k_.for_("m", 0, rows, [&](const Val& m) {
      k_.for_lanes("c", 0, here, [&](const Val& c) {
        Sums sums;
        for (std::size_t i = 0; i < weights.size(); ++i)
          sums.emplace_back(weights[i], k_.let("total", sums_[i][m * s_.columns + c]));
        p_.store(place, sums, p_.first_row() + m, first + c);
      });
    });
  }

  Build& k_;
  const ProductParts& p_;
  Schedule s_;
  std::vector<Mem> sums_;  // of weights whose columns meet in one tail
};

/// Of x in any form: columns are one subgroup's.
std::string why_no_columns(const kir::Target& target) {
  return target.subgroups == 1 ? "" : "a workgroup has several subgroups";
}

}  // namespace

bool are_few_bf16_rows(const Extent& rows) { return rows.value > 1 && rows.value <= kMostRowsOfPairs; }

std::string why_no_few_bf16_rows(const kir::Target& target, const Extent& rows, std::int64_t K) {
  if (!target.bf16_dot) return "no kernel for the device multiplies bf16 faster than f32";
  if (std::string no = why_no_columns(target); !no.empty()) return no;
  if (!are_few_bf16_rows(rows)) return fmt::format("at most {} rows", rows.value);
  return K % 2 == 0 ? "" : fmt::format("{} k are no pairs", K);
}

std::string why_no_few_rows(const kir::Target& target, const Product& what) {
  if (what.experts) return "each row of x has an expert of its own";
  if (what.int8) return "x lies in 8-bit blocks";
  if (what.x == DType::f64) return "sums of f64 stay f64";
  const std::string no = what.bf16 ? why_no_few_bf16_rows(target, what.rows, what.inner.value) : why_no_columns(target);
  if (!no.empty()) return no;
  if (what.rows.value <= 1) return fmt::format("at most {} rows", what.rows.value);
  if (!what.bf16 && tuned_rows(target) <= 0) return "the device has no number of rows for registers";
  for (const Product::Weight& w : what.weights)
    if (!has_float_rows(w)) return w.name + " is no rows of floats";
  return "";
}

TemplateKernel few_rows(const kir::Target& target, const Product& what) {
  Build k(what.name, target);
  if (const std::string why = why_no_few_rows(target, what); !why.empty()) k.fail("not as few rows: " + why);
  ProductParts p(
      k, what, kRowTile,
      what.bf16 ? k.in(what.of, Kind::u32, "(N, stride / 2)") : k.in(what.of, memory_kind(what.x), "(N, K)"));
  const FewRows rows(p);
  const Schedule& s = rows.schedule();
  p.share_columns(s.columns, [&](std::size_t place, const Val& first) { rows.run(place, first); });
  std::string reason = fmt::format("{}{} columns of W at a time, lanes along them; {} rows share each weight",
                                   what.bf16 ? "pairs of bf16 with sums in f32: " : "", s.columns_at_once, p.tile());
  if (s.rows_at_once < p.tile()) reason += fmt::format(", {} in registers", s.rows_at_once);
  return {.kernel = k.done(), .grid = p.grid(s.columns), .reason = std::move(reason), .columns = p.parts(s.columns)};
}

}  // namespace openinfer::kernels
