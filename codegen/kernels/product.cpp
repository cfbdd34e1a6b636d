// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/product.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "codegen/kernels/few_rows.h"
#include "codegen/kernels/int8_product.h"
#include "codegen/kernels/int8_rows.h"
#include "codegen/kernels/outer.h"
#include "codegen/kernels/outer_mma.h"
#include "codegen/kernels/outer_tiles.h"
#include "codegen/kernels/product_mma.h"
#include "codegen/kernels/product_parts.h"
#include "codegen/kernels/rows.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Rate;
using kir::Slot;
using kir::Tile;
using kir::Val;

/// Columns of one workgroup on targets of one subgroup, so that a call does some work.
constexpr int kColumnsPerCall = 8;
/// Plain columns that one row of x (unless tuned) meets side by side: a single stream waits for memory wherever a
/// column ends (68 % of read bandwidth against 92 to 100 on a Sapphire Rapids Xeon, two threads).
constexpr int kColumnsAtOnce = 8;

/// The sum of column j, of those at once, for row m of the tile.
using Sum = std::function<Val(Val j, Val m)>;

/// sum[j, m] += Σ_k W[column + j, k] · x[row m, k] over the lanes' share of k, for plain weights.
void add_plain(const ProductParts& p, std::size_t weight, Val column, int columns, const Tile& sum) {
  Build& k = p.k();
  k.for_lanes("k", 0, p.K(), [&](Val at) {
    prefetch_columns(p, weight, column, at, columns, k.lanes());
    k.each("j", columns, [&](Val j) {
      const kir::Elem place = p.weight(weight).memory()[(column + j) * p.K() + at];
      const Val w = k.let("w_k", as(p.weight(weight).number(place, column + j, at), p.kind()));
      k.each("m", p.tile(), [&](Val m) {
        const Val place = j * p.tile() + m;
        sum[place] = mul_add(k, w, p.x(m, at), sum[place]);
      });
    });
  });
}

/// The same for elements that share bytes: a lane takes all of a byte.
void add_packed(const ProductParts& p, std::size_t weight, Val column, const Tile& sum) {
  Build& k = p.k();
  const StoredMatrix& w = p.weight(weight);
  const int each = w.packed()->per_byte;
  const std::int64_t bytes = p.K() / each;
  k.for_lanes("b", 0, bytes, [&](Val b) {
    const Val byte = k.let("byte", convert(w.memory()[column * bytes + b], Kind::i32));
    k.each("h", each, [&](Val h) {
      const Val at = k.let("k", b * each + h);
      const Val w_k = k.let("w_k", as(w.number(w.packed()->value(k, byte, h), column, at), p.kind()));
      k.each("m", p.tile(), [&](Val m) { sum[m] += w_k * p.x(m, at); });
    });
  });
}

/// The same for blocks: within a group that shares a scale, lanes take neighbouring elements.
void add_blocks(const ProductParts& p, std::size_t weight, Val column, const Tile& sum) {
  Build& k = p.k();
  const BlockCode& code = p.weight(weight).code();
  const int sharing = std::min(code.run, k.lanes());  // lanes that work on one group
  const int steps = code.run / sharing;
  const auto group = [&](Val b) {
    const Slot block = p.weight(weight).memory().block(k.let("at", column * (p.K() / code.size) + b / code.groups()));
    const Val g = k.let("g", b % code.groups());
    const Tile part = k.tile("part", p.tile(), p.kind());
    const Tile ones = k.tile("x_sum", p.tile(), p.kind());  // gone unless the format has minima
    k.each("h", code.parts(), [&](Val h) {
      k.for_(
          "s", 0, steps,
          [&](Val s) {
            const Val r = k.let("r", s * sharing + k.lane_in(sharing));
            const Val q = k.let("q", as(code.quant(k, block, g, h, r), p.kind()));
            const Val at = k.let("k", b * code.group + h * code.run + r);
            k.each("m", p.tile(), [&](Val m) {
              const Val x = k.let("x_k", p.x(m, at));
              part[m] += q * x;
              ones[m] += x;
            });
          },
          std::min(steps, 4));
    });
    const Val scale = k.let("scale", as(code.scale(k, block, g), p.kind()));
    const Val low = code.minimum ? k.let("low", as(code.minimum(k, block, g), p.kind())) : Val();
    k.each("m", p.tile(), [&](Val m) {
      if (code.minimum)
        sum[m] += scale * part[m] + low * ones[m];
      else
        sum[m] += scale * part[m];
    });
  };
  k.for_lanes("b", 0, p.K() / code.group, group, sharing);
}

/// How many columns of that weight are read side by side, by one row of x (few_rows.h: by several). Several subgroups
/// are several streams already.
int columns_at_once(const ProductParts& p, std::size_t weight) {
  const Extent& all = p.what().weights[weight].columns;
  const bool plain = p.weight(weight).is_plain() && !p.what().int8 && !p.what().experts && p.kind() == Kind::f32;
  const bool whole = all.known() && all.value % kColumnsPerCall == 0;
  if (!plain || p.tile() > 1 || !p.k().target().lanes_are_vectors() || !whole) return 1;
  return std::gcd(p.k().target().tuned_or("columns_at_once", kColumnsAtOnce), kColumnsPerCall);
}

/// The sums of the columns from there on for each row of the tile, the same in all lanes.
Sum column_sums(const ProductParts& p, std::size_t weight, Val column, int columns) {
  Build& k = p.k();
  const int count = columns * p.tile();
  const Tile sum = k.tile("sum", count, p.kind());
  column = p.stored_row(weight, column);
  if (p.what().int8)
    add_bytes(p, weight, column, sum);
  else if (p.weight(weight).in_blocks())
    add_blocks(p, weight, column, sum);
  else if (p.weight(weight).packed())
    add_packed(p, weight, column, sum);
  else
    add_plain(p, weight, column, columns, sum);
  if (count == 1) {
    const Val total = k.let("total", k.lane_sum(sum[0]));
    return [total](const Val&, const Val&) { return total; };
  }
  const Tile total = k.tile("total", count, p.kind(), Rate::subgroup);
  k.each(columns == 1 ? "m" : "i", count, [&](Val i) { total[i] = k.lane_sum(sum[i]); });
  return [total, tile = p.tile()](const Val& j, const Val& m) -> Val { return total[j * tile + m]; };
}

/// For each row of the tile and column of those at once: bias, tail and stores.
void finish(const ProductParts& p, std::size_t place, const std::vector<std::pair<std::size_t, Sum>>& sums,
            const Val& column, int columns = 1) {
  p.k().each("m", p.tile(), [&](Val m) {
    const auto store = [&] {
      p.k().each("j", columns, [&](Val j) {
        Sums now;
        for (const auto& [weight, sum] : sums) now.emplace_back(weight, sum(j, m));
        p.store(place, now, p.row(m), column + j);
      });
    };
    if (p.tile() == 1)
      store();
    else
      p.k().if_(p.first_row() + m < p.n_rows(), store);
  });
}

}  // namespace

TemplateKernel matvec(const kir::Target& target, const Product& what) {
  Build k(what.name, target);
  ProductParts p(k, what, kRowTile, what.int8 ? int8_block() : kir::Record{});
  const int columns = target.lanes_are_vectors() ? kColumnsPerCall : target.subgroups;
  p.share_columns(columns, [&](std::size_t place, Val first) {
    const std::vector<std::size_t> weights = p.weights_at(place);
    int at_once = columns;
    for (const std::size_t w : weights) at_once = std::min(at_once, columns_at_once(p, w));
    const auto some_columns = [&](const Val& column) {
      std::vector<std::pair<std::size_t, Sum>> sums;
      for (const std::size_t w : weights) sums.emplace_back(w, column_sums(p, w, column, at_once));
      finish(p, place, sums, column, at_once);
    };
    if (at_once == columns && columns > 1) return some_columns(first);
    if (at_once > 1)
      return k.for_(
          "c", 0, columns, [&](const Val& c) { some_columns(k.let("column", first + c)); }, 1, at_once);
    const Extent& all = what.weights[place].columns;
    const auto checked = [&](const Val& c) {
      const Val column = k.let("column", first + c);
      if (all.known() && all.value % columns == 0) return some_columns(column);
      k.if_(column < value_of(k, all), [&] { some_columns(column); });
    };
    if (columns == target.subgroups) return checked(k.subgroup());
    k.for_subgroups("c", 0, columns, checked);
  });
  std::string reason = "a column's weights lie together: lanes along them";
  if (what.int8) reason += "; four products of bytes at a time";
  if (p.tile() > 1) reason += fmt::format("; {} rows share each decoded weight", p.tile());
  return {.kernel = k.done(), .grid = p.grid(columns), .reason = std::move(reason), .columns = p.parts(columns)};
}

kir::Target with_one_grid(kir::Target target) {
  target.mma.reset();
  for (const char* of_some_weights : {"tile_depth", "few_rows_at_once"}) target.tuned.erase(of_some_weights);
  return target;
}

TemplateKernel product_by_columns(const kir::Target& target, const Product& what) {
  Build k(what.name, target);
  ProductParts p(k, what, kRowTile);
  const int columns = target.lanes * (target.lanes_are_vectors() ? 4 : target.subgroups);
  p.share_columns(columns, [&](std::size_t place, Val first) {
    const Val end = k.let("end_column", min(first + columns, value_of(k, what.weights[place].columns)));
    k.for_group("column", first, end, [&](Val column) {
      std::vector<std::pair<std::size_t, Sum>> sums;
      for (const std::size_t w : p.weights_at(place)) {
        const Tile sum = k.tile("sum", p.tile(), p.kind());
        k.for_("k", 0, p.K(), [&](Val at) {
          const Val w_k = k.let("w_k", p.weight_at(w, at, column));
          k.each("m", p.tile(), [&](Val m) { sum[m] += w_k * p.x(m, at); });
        });
        sums.emplace_back(w, [sum](const Val&, const Val& m) -> Val { return sum[m]; });
      }
      finish(p, place, sums, column);
    });
  });
  return {
      .kernel = k.done(), .grid = p.grid(columns), .reason = "a row's weights lie together: lanes along the columns"};
}

TemplateKernel product(const kir::Target& target, const Product& what) {
  if (what.bf16 && (target.mma || !target.bf16_dot)) return outer_mma(target, what);
  if (what.bf16) return why_no_few_rows(target, what).empty() ? few_rows(target, what) : outer_tiles(target, what);
  const auto all = [&](const auto& holds) { return std::all_of(what.weights.begin(), what.weights.end(), holds); };
  if (what.apart || why_no_outer_tiles(target, what).empty()) return outer_tiles(target, what);
  if (!what.experts && all([](const Product::Weight& w) { return w.layout == Layout::panel16; }))
    return outer(target, what, what.int8 ? int8_products() : f32_products());
  if (why_no_few_rows(target, what).empty()) return few_rows(target, what);
  const bool units = target.mma && target.mma->operand == DType::f16 && !what.experts;
  const std::string no_mma = units ? why_no_mma(target, what) : "";
  if (units && no_mma.empty()) return mma_product(target, what);
  const bool by_rows = all([](const Product::Weight& w) { return w.by_rows; });
  if (what.experts) {
    TemplateKernel made = by_rows ? matvec(target, what) : product_by_columns(target, what);
    made.reason += "; each row by the expert that it chose, no other is read";
    return made;
  }
  TemplateKernel made = by_rows ? matvec(target, what) : product_by_columns(target, what);
  if (!no_mma.empty()) made.reason += "; not by matrix units: " + no_mma;
  return made;
}

TemplateKernel batched_product(const kir::Target& target, const BatchedProduct& what) {
  Build k(what.name, target);
  const Kind kind = sum_kind(what.x);
  const Mem x = k.in("x", memory_kind(what.x), "(…, N, K)");
  if (what.codebooks) codebooks(k);
  const StoredMatrix w(k, "w", what.w, Layout::rows, what.w_by_rows ? "(…, M, K)" : "(…, K, M)", what.affine);
  const PointwiseCode tail(k, what.tail);
  const int columns = target.lanes * (target.lanes_are_vectors() ? 4 : target.subgroups);
  const Val n = value_of(k, what.rows), K = value_of(k, what.inner), m = value_of(k, what.columns);
  const Val parts = k.let("parts", (value_of(k, what.columns) + (columns - 1)) / columns);
  Val rest = k.let("matrix_row", k.group() / parts);
  const Val first = k.let("first_column", k.group() % parts * columns);
  const Val row = k.let("row", rest % n);
  rest = k.let("matrix", rest / n);
  // The place of the matrix: digits of its number, the last axis fastest; an operand stands still where it does not
  // move.
  std::vector<Val> at(what.batch.size());
  for (std::size_t i = what.batch.size(); i-- > 0;) {
    at[i] = i == 0 ? rest : rest % value_of(k, what.batch[i]);
    if (i > 0) rest = rest / value_of(k, what.batch[i]);
  }
  const auto start = [&](const std::vector<bool>& moves) {
    Val place = k.constant(0);
    for (std::size_t i = 0; i < at.size(); ++i)
      if (moves[i]) place = place * value_of(k, what.batch[i]) + at[i];
    return place;
  };
  const Val x_row = k.let("x_row", (start(what.x_moves) * n + row) * K);
  const Val w_matrix = start(what.w_moves);
  const Val w_start = w.is_plain() ? k.let("w_start", w_matrix * K * m) : Val();
  const auto weight = [&](const Val& i, const Val& column) -> Val {
    if (w.is_plain()) return w.memory()[w_start + (what.w_by_rows ? column * K + i : i * m + column)];
    return what.w_by_rows ? w.element(w_matrix * m + column, K, i) : w.element(w_matrix * K + i, m, column);
  };
  k.for_group("column", first, k.let("end_column", min(first + columns, m)), [&](Val column) {
    const kir::Reg sum = k.var("sum", kind);
    k.for_("k", 0, K, [&](Val i) { sum += as(x[x_row + i], kind) * as(weight(i, column), kind); });
    std::vector<Val> place = at;
    place.push_back(row);
    place.push_back(column);
    tail.apply({sum}, place);
  });
  TemplateKernel made = {
      .kernel = k.done(), .grid = {{what.columns, columns}, {what.rows, 1}}, .reason = "columns as lanes"};
  for (const Extent& e : what.batch) made.grid.push_back({e, 1});
  return made;
}

}  // namespace openinfer::kernels
