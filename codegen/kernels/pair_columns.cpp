// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/pair_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "codegen/kernels/bf16_rows.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Tile;
using kir::Val;

constexpr std::int64_t kRowsOfPairs = 8;  // of a tile
/// Of a product: W is read once for each tile. Turning it once for all (outer_tiles.h) cost more than four tiles when
/// this was chosen: sixteen rows 3.2 times as fast here (1.1B f16, Zen 5; bench/cpu/zen5.md).
constexpr std::int64_t kMostRowsOfPairs = 32;
/// Columns that are read side by side: each line of x serves them all. Their 32 sums are more than registers hold
/// beside W, which costs less than reading x for three at a time (Zen 5, one thread: 1.04 times as fast).
constexpr int kPairColumnsAtOnce = 4;
constexpr int kPairColumns = 16;  // of a call: where rows of the result are whole vectors on most devices

/// A call's columns for a tile of rows.
class PairColumns {
 public:
  explicit PairColumns(const ProductParts& p) : k_(p.k()), p_(p), x_stride_(bf16_stride(p.K()) / 2) {
    const std::size_t at_once = p.weights_at(0).size();
    for (std::size_t i = 0; i < at_once; ++i)
      sums_.push_back(
          k_.shared(at_once == 1 ? "sums" : fmt::format("sums_{}", i + 1), Kind::f32, p.tile() * kPairColumns));
  }

  void run(std::size_t place, const Val& first) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    const Extent& columns = p_.what().weights[weights[0]].columns;
    const Val here = columns.known() && columns.value % kPairColumns == 0
                         ? k_.constant(kPairColumns)
                         : k_.let("columns_here", min(value_of(k_, columns) - first, kPairColumns));
    for (std::size_t i = 0; i < weights.size(); ++i)
      k_.for_(
          "c", 0, here, [&](const Val& c) { multiply(weights[i], sums_[i], first, c); }, 1, kPairColumnsAtOnce);
    finish(place, weights, first, here);
  }

 private:
  /// The sums of columns c to c + kPairColumnsAtOnce of the call: for those behind the last one that one's.
  void multiply(std::size_t weight, const Mem& sums, const Val& first, const Val& c) const {
    const Tile sum = k_.tile("sum", kPairColumnsAtOnce * p_.tile(), Kind::f32);
    const Val column = k_.let("column", first + c);
    const Extent& columns = p_.what().weights[weight].columns;
    const bool whole = columns.known() && columns.value % kPairColumnsAtOnce == 0;
    const Val x_row = k_.let("x_row", p_.first_row() * x_stride_);
    k_.for_lanes("pair", 0, p_.K() / 2, [&](const Val& pair) {
      prefetch_columns(p_, weight, column, pair * 2, kPairColumnsAtOnce, 2 * k_.lanes());
      const Tile w = k_.tile("w_pairs", kPairColumnsAtOnce, Kind::u32);
      k_.each("j", kPairColumnsAtOnce, [&](const Val& j) {
        const Val row = whole ? column + j : min(column + j, value_of(k_, columns) - 1);
        const Val at = k_.let("w_at", row * p_.K() + pair * 2);
        const Mem& stored = p_.weight(weight).memory();
        w[j] = bf16_pair(as(stored[at], Kind::f32), as(stored[at + 1], Kind::f32));
      });
      const Val at = k_.let("x_at", x_row + pair);  // rows lie apart by a number that is known
      k_.each("m", p_.tile(), [&](const Val& m) {
        const Val x = k_.let("x_k", p_.x_memory()[at + m * x_stride_]);
        k_.each("j", kPairColumnsAtOnce, [&](const Val& j) {
          const Val place = m * kPairColumnsAtOnce + j;
          sum[place] = bf16_dot(w[j], x, sum[place]);
        });
      });
    });
    k_.each("m", p_.tile(),
            [&](const Val& m) { add_lanes(sum, m, [&](const Val& j) { return sums[m * kPairColumns + c + j]; }); });
  }

  /// What the lanes have of row m, into to(j) for each column.
  void add_lanes(const Tile& sum, const Val& m, const std::function<kir::Elem(const Val& j)>& to) const {
    const auto of = [&](int j) -> Val { return sum[m * kPairColumnsAtOnce + j]; };
    const int quarter = k_.lanes() / 4;
    if (quarter == 0)
      return k_.each("j", kPairColumnsAtOnce,
                     [&](const Val& j) { to(j) = k_.lane_sum(sum[m * kPairColumnsAtOnce + j]); });
    const Val totals = k_.let("totals", k_.lane_sums(of(0), of(1), of(2), of(3)));
    k_.each("j", kPairColumnsAtOnce, [&](const Val& j) { to(j) = k_.lane_get(totals, j * quarter); });
  }

  /// Bias, tail and stores.
  void finish(std::size_t place, const std::vector<std::size_t>& weights, const Val& first, const Val& here) const {
    k_.barrier();
    const Val rows = k_.let("rows_here", min(p_.n_rows() - p_.first_row(), p_.tile()));
    k_.for_("m", 0, rows, [&](const Val& m) {
      k_.for_lanes("c", 0, here, [&](const Val& c) {
        Sums sums;
        for (std::size_t i = 0; i < weights.size(); ++i)
          sums.emplace_back(weights[i], k_.let("total", sums_[i][m * kPairColumns + c]));
        p_.store(place, sums, p_.first_row() + m, first + c);
      });
    });
  }

  Build& k_;
  const ProductParts& p_;
  std::int64_t x_stride_;  // of rows, in pairs
  std::vector<Mem> sums_;  // of weights whose columns meet in one tail
};

}  // namespace

bool is_for_pair_columns(const Extent& rows) { return rows.value > 1 && rows.value <= kMostRowsOfPairs; }

std::string why_no_pair_columns(const kir::Target& target, const Extent& rows, std::int64_t K) {
  if (!target.bf16_dot) return "no kernel for the device multiplies bf16 faster than f32";
  if (target.subgroups != 1) return "columns are read by one subgroup";
  if (!is_for_pair_columns(rows)) return fmt::format("at most {} rows", rows.value);
  return K % 2 == 0 ? "" : fmt::format("{} k are no pairs", K);
}

std::string why_no_pair_columns(const kir::Target& target, const Product& what) {
  if (what.experts || !what.bf16) return "x is no rows of bf16";
  if (std::string no = why_no_pair_columns(target, what.rows, what.inner.value); !no.empty()) return no;
  for (const Product::Weight& w : what.weights)
    if (!has_float_rows(w)) return w.name + " is no rows of floats";
  return "";
}

TemplateKernel pair_columns(const kir::Target& target, const Product& what) {
  Build k(what.name, target);
  if (const std::string why = why_no_pair_columns(target, what); !why.empty()) k.fail("no pairs of columns: " + why);
  ProductParts p(k, what, kRowsOfPairs, k.in(what.of, Kind::u32, "(N, stride / 2)"));
  const PairColumns columns(p);
  p.share_columns(kPairColumns, [&](std::size_t place, const Val& first) { columns.run(place, first); });
  return {.kernel = k.done(),
          .grid = p.grid(kPairColumns),
          .reason = fmt::format("pairs of bf16 with sums in f32: {} columns of W at a time, lanes along them; {} rows "
                                "share each weight",
                                kPairColumnsAtOnce, p.tile()),
          .columns = p.parts(kPairColumns)};
}

}  // namespace openinfer::kernels
