// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/few_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "codegen/kernels/bf16_rows.h"
#include "codegen/kernels/outer.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Tile;
using kir::Val;

constexpr std::int64_t kRowTile = 8;
/// Of a product of pairs: W is read once for each tile. Turning it once for all (outer_tiles.h) cost more than four
/// tiles when this was chosen: sixteen rows 3.2 times as fast here (1.1B f16, Zen 5; bench/cpu/zen5.md).
constexpr std::int64_t kMostRowsOfPairs = 32;
/// Columns that are read side by side: each line of x, which comes from the second-level cache, serves them all. Of
/// floats three by four or eight rows fill 16 or 32 registers; of pairs the 32 sums are more than registers hold beside
/// W, which costs less than reading x for three at a time (Zen 5, one thread: 1.04 times as fast).
constexpr int kColumnsAtOnce = 3, kPairColumnsAtOnce = 4;
/// Columns of a call: where rows of the result are whole vectors on most devices.
constexpr int kColumns = 24, kPairColumns = 16;

/// Of floats in f32; 0: the device says nothing.
int tuned_rows(const kir::Target& target) { return target.tuned_or("few_rows_at_once", 0); }

/// A call's columns for a tile of rows.
class FewRows {
 public:
  explicit FewRows(const ProductParts& p)
      : k_(p.k()),
        p_(p),
        pairs_(p.what().bf16),
        x_stride_(pairs_ ? bf16_stride(p.K()) / 2 : p.K()),
        columns_(pairs_ ? kPairColumns : kColumns),
        columns_at_once_(pairs_ ? kPairColumnsAtOnce : kColumnsAtOnce),
        rows_at_once_(pairs_ ? p.tile() : std::min(tuned_rows(k_.target()), p.tile())) {
    // The last of them may have rows behind those that there are.
    const int tiles = (p.tile() + rows_at_once_ - 1) / rows_at_once_;
    const std::size_t at_once = p.weights_at(0).size();
    for (std::size_t i = 0; i < at_once; ++i)
      sums_.push_back(k_.shared(at_once == 1 ? "sums" : fmt::format("sums_{}", i + 1), Kind::f32,
                                tiles * rows_at_once_ * columns_));
  }

  int columns() const { return columns_; }
  int columns_at_once() const { return columns_at_once_; }
  int rows_at_once() const { return rows_at_once_; }

  void run(std::size_t place, const Val& first) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    const Extent& columns = p_.what().weights[weights[0]].columns;
    const Val here = columns.known() && columns.value % columns_ == 0
                         ? k_.constant(columns_)
                         : k_.let("columns_here", min(value_of(k_, columns) - first, columns_));
    const Val rows = k_.let("rows_here", min(p_.n_rows() - p_.first_row(), p_.tile()));
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto of_columns = [&](const Val& c) {
        const auto tile = [&](const Val& row) { multiply(weights[i], sums_[i], first, c, row, rows); };
        if (rows_at_once_ == p_.tile()) return tile(k_.constant(0));
        k_.for_("row", 0, rows, tile, 1, rows_at_once_);
      };
      k_.for_("c", 0, here, of_columns, 1, columns_at_once_);
    }
    finish(place, weights, first, here, rows);
  }

 private:
  /// What x and a column have, for one k or, of bf16, for a pair.
  Kind element() const { return pairs_ ? Kind::u32 : Kind::f32; }
  /// Those from `row` of the tile on (bf16 has spare ones behind the last).
  TileRows x_rows(const Val& row, const Val& rows) const {
    const Extent& all = p_.what().rows;
    const TileRows x = {p_.first_row() + row, rows_at_once_, x_stride_};
    if (pairs_ || (all.known() && all.value % p_.tile() == 0 && p_.tile() % rows_at_once_ == 0)) return x;
    const Tile starts = k_.tile("x_row", rows_at_once_, Kind::i32, kir::Rate::subgroup);
    k_.each("m", rows_at_once_,
            [&](const Val& m) { starts[m] = (p_.first_row() + min(row + m, rows - 1)) * x_stride_; });
    return {x.first, x.count, x.length, starts};
  }

  /// The sums of some columns of the call, from c on, for some rows of the tile, from `row` on.
  void multiply(std::size_t weight, const Mem& sums, const Val& first, const Val& c, const Val& row,
                const Val& rows) const {
    const Tile sum = k_.tile("sum", rows_at_once_ * columns_at_once_, Kind::f32);
    const TileRows x = x_rows(row, rows);
    const Val x_row = k_.let("x_row", x.start());
    const Val column = k_.let("column", first + c);
    const int of_step = pairs_ ? 2 : 1;
    k_.for_lanes(pairs_ ? "pair" : "k", 0, p_.K() / of_step, [&](const Val& at) {
      prefetch_columns(p_, weight, column, at * of_step, columns_at_once_, of_step * k_.lanes());
      add_step(sum, x, k_.let("x_at", x_row + at), weight, column, at);
    });
    add_lanes(sum, sums, row, c);
  }
  /// Place `at` along k, or the pair of that number: once for all rows and columns.
  void add_step(const Tile& sum, const TileRows& rows, const Val& x_at, std::size_t weight, const Val& column,
                const Val& at) const {
    const Mem& stored = p_.weight(weight).memory();
    const Tile w = k_.tile(pairs_ ? "w_pairs" : "w_k", columns_at_once_, element());
    k_.each("j", columns_at_once_, [&](const Val& j) {
      const Val w_at = k_.let("w_at", column_of(weight, column, j) * p_.K() + (pairs_ ? at * 2 : at));
      const Val number = as(stored[w_at], Kind::f32);
      w[j] = pairs_ ? bf16_pair(number, as(stored[w_at + 1], Kind::f32)) : number;
    });
    k_.each("m", rows_at_once_, [&](const Val& m) {
      const Val x = k_.let("x_k", as(p_.x_memory()[x_at + rows.behind(m)], element()));
      k_.each("j", columns_at_once_, [&](const Val& j) {
        const Val place = m * columns_at_once_ + j;
        sum[place] = pairs_ ? bf16_dot(w[j], x, sum[place]) : mul_add(k_, w[j], x, sum[place]);
      });
    });
  }
  /// Behind the last column that one again, whose sums nobody reads.
  Val column_of(std::size_t weight, const Val& column, const Val& j) const {
    const Extent& columns = p_.what().weights[weight].columns;
    const bool whole = columns.known() && columns.value % columns_at_once_ == 0;
    return whole ? column + j : min(column + j, value_of(k_, columns) - 1);
  }

  /// What the lanes have of a tile of sums, as sums of `to`: four at a time.
  void add_lanes(const Tile& sum, const Mem& to, const Val& row, const Val& c) const {
    const auto place = [&](const Val& number) {
      return to[(row + number / columns_at_once_) * columns_ + c + number % columns_at_once_];
    };
    const int count = rows_at_once_ * columns_at_once_, quarter = k_.lanes() / 4;
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
          sums.emplace_back(weights[i], k_.let("total", sums_[i][m * columns_ + c]));
        p_.store(place, sums, p_.first_row() + m, first + c);
      });
    });
  }

  Build& k_;
  const ProductParts& p_;
  bool pairs_;             // of bf16: x and W
  std::int64_t x_stride_;  // of rows, in elements of their memory
  int columns_;            // of a call
  int columns_at_once_, rows_at_once_;
  std::vector<Mem> sums_;  // of weights whose columns meet in one tail
};

/// Of x in any form.
std::string why_no_columns(const kir::Target& target) {
  return target.subgroups == 1 ? "" : "columns are read by one subgroup";
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
  if (what.experts || what.int8 || what.x == DType::f64) return "x is no plain rows of f32 sums";
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
  p.share_columns(rows.columns(), [&](std::size_t place, const Val& first) { rows.run(place, first); });
  std::string reason =
      fmt::format("{}{} columns of W at a time, lanes along them; {} rows share each weight",
                  what.bf16 ? "pairs of bf16 with sums in f32: " : "", rows.columns_at_once(), p.tile());
  if (rows.rows_at_once() < p.tile()) reason += fmt::format(", {} in registers", rows.rows_at_once());
  return {.kernel = k.done(),
          .grid = p.grid(rows.columns()),
          .reason = std::move(reason),
          .columns = p.parts(rows.columns())};
}

}  // namespace openinfer::kernels
