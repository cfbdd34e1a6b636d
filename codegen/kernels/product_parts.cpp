// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/product_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Mem;
using kir::Val;

/// Workgroups along one extent.
Val parts_of(Build& k, const Extent& extent, int divide) {
  if (extent.known()) return k.constant((extent.value + divide - 1) / divide);
  return (value_of(k, extent) + (divide - 1)) / divide;
}

}  // namespace

TileRows TileRows::before(const Val& end, const Val& first, int count, std::int64_t length) {
  Build& k = *first.build();
  const kir::Tile starts = k.tile("x_row", count, kir::Kind::i32, kir::Rate::subgroup);
  k.each("m", count, [&](const Val& m) { starts[m] = min(first + m, end - 1) * length; });
  return {first, count, length, starts};
}

ProductParts::ProductParts(Build& k, const Product& what, std::int64_t tile, const kir::Record& x)
    : ProductParts(k, what, tile,
                   x.fields.empty() ? k.in(what.of, memory_kind(what.x), "(N, K)") : k.in(what.of, x, "(N, K / 32)")) {}

ProductParts::ProductParts(Build& k, const Product& what, std::int64_t tile, const Mem& x)
    : k_(k),
      what_(what),
      tile_(what.experts ? 1 : static_cast<int>(std::min(tile, std::max<std::int64_t>(what.rows.value, 1)))),
      x_(x) {
  if (what.experts) ids_ = k.in("ids", kir::Kind::i32, "(N)");
  if (what.codebooks) codebooks(k);
  for (const Product::Weight& w : what.weights) {
    weights_.push_back(
        std::make_unique<StoredMatrix>(k, w.name, w.dtype, w.layout, w.by_rows ? "(M, K)" : "(K, M)", w.affine));
    biases_.push_back(w.bias.empty() ? Mem() : k.in(w.bias, memory_kind(w.bias_dtype), "(M)"));
  }
  for (const Pointwise& tail : what.tails) tails_.push_back(std::make_unique<PointwiseCode>(k, tail));
}

Val ProductParts::stored_row(std::size_t i, Val column) const {
  return what_.experts ? expert_ * value_of(k_, what_.weights[i].columns) + column : column;
}

Val ProductParts::weight_at(std::size_t i, Val at, Val column) const {
  const Product::Weight& w = what_.weights[i];
  if (w.by_rows) return as(weights_[i]->element(stored_row(i, column), k_.constant(K()), at), kind());
  if (what_.experts) at = expert_ * K() + at;
  return as(weights_[i]->element(at, value_of(k_, w.columns), column), kind());
}

std::vector<std::size_t> ProductParts::weights_at(std::size_t place) const {
  if (is_stacked()) return {place};
  std::vector<std::size_t> all(what_.weights.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

std::vector<Mem> ProductParts::shared_sums(int count) const {
  const std::size_t at_once = weights_at(0).size();
  std::vector<Mem> sums;
  for (std::size_t i = 0; i < at_once; ++i)
    sums.push_back(k_.shared(at_once == 1 ? "sums" : fmt::format("sums_{}", i + 1), kir::Kind::f32, count));
  return sums;
}

void ProductParts::start_rows(Val tile) {
  first_row_ = k_.let("first_row", tile * tile_);
  n_rows_ = value_of(k_, what_.rows);
  if (!what_.experts) return;
  const Val last = k_.constant(what_.experts->count - 1);  // ids are the host's to check: nothing outside is read
  expert_ = k_.let("expert", max(min(ids_[first_row_], last), 0));
  const Extent& choices = what_.experts->choices;
  x_row_ = choices.is(1) ? first_row_ : k_.let("x_row", first_row_ / value_of(k_, choices));
}

void ProductParts::share_columns(int divide, const std::function<void(std::size_t place, Val first)>& f) {
  std::vector<Val> start = {k_.constant(0)};
  for (std::size_t i = 0; i < places(); ++i)
    start.push_back(start.back() + parts_of(k_, what_.weights[i].columns, divide));
  start_rows(one_tile() ? k_.constant(0) : k_.group() / start.back());
  const Val part = one_tile() ? k_.group() : k_.let("part_of_columns", k_.group() % start.back());
  const std::size_t last = places() - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    const auto one = [&] { f(i, k_.let("first_column", (part - start[i]) * divide)); };
    if (last == 0)
      one();
    else if (i == 0)
      k_.if_(part < start[1], one);
    else
      k_.if_(i == last ? part >= start[i] : part >= start[i] && part < start[i + 1], one);
  }
}

std::vector<GridFactor> ProductParts::grid(int divide) const {
  const GridFactor tiles = {what_.rows, tile_};
  if (places() == 1) return {{what_.weights[0].columns, divide}, tiles};
  std::int64_t parts = 0;  // factors multiply: what is added up must be known
  for (const Product::Weight& w : what_.weights) {
    if (!w.columns.known()) k_.fail("stacked weights have known widths");
    parts += (w.columns.value + divide - 1) / divide;
  }
  return {{Extent{parts}, 1}, tiles};
}

ColumnParts ProductParts::parts(int divide) const {
  ColumnParts all;
  for (const Product::Weight& w : what_.weights) {
    if (!w.by_rows || !w.columns.known()) return {};
    const std::int64_t count = (w.columns.value + divide - 1) / divide;
    all.weights.push_back({w.name, is_stacked() ? all.parts : 0, count, divide});
    all.parts = is_stacked() ? all.parts + count : count;
  }
  return all;
}

std::vector<Val> ProductParts::with_bias(const Sums& sums, const Val& column) const {
  std::vector<Val> given;
  for (const auto& [weight, sum] : sums) {
    const bool biased = !what_.weights[weight].bias.empty();
    given.push_back(biased ? sum + as(biases_[weight][column], kind()) : sum);
  }
  return given;
}
void ProductParts::store(std::size_t place, const Sums& sums, const Val& row, const Val& column) const {
  tails_[place]->apply(with_bias(sums, column), {row, column});
}
Val ProductParts::element_of_block(std::size_t place, const Sums& sums, const Val& row, const Val& column) const {
  return tails_[place]->element_of_block(with_bias(sums, column), {row, column});
}
Val ProductParts::block_at(std::size_t place, const Val& row, const Val& column) const {
  return row * (what_.weights[place].columns.value / kInt8Block) + column / kInt8Block;
}

bool has_float_rows(const Product::Weight& w) {
  const bool number = w.dtype == DType::f16 || w.dtype == DType::bf16 || w.dtype == DType::f32;
  return w.layout == Layout::rows && w.by_rows && number && !w.affine;
}

void prefetch_columns(const ProductParts& p, std::size_t weight, const Val& column, const Val& at, int columns,
                      int step) {
  Build& k = p.k();
  const int ahead = columns > 1 ? k.target().tuned_or("columns_ahead", 1) : 0;
  if (ahead == 0) return;
  const int bytes = kir::info(memory_kind(p.what().weights[weight].dtype)).bytes;
  const int in_line = k.target().cache_line_bytes / bytes, lines = std::max(columns * step / in_line, 1);
  const Val from = column * p.K() + at * columns;
  const auto bytes_ahead = static_cast<int>(ahead * columns * p.K() * bytes);
  k.each("line", lines, [&](Val line) { k.prefetch(p.weight(weight).memory()[from + line * in_line], bytes_ahead); });
}

kir::Val mul_add(const kir::Build& k, const kir::Val& a, const kir::Val& b, const kir::Val& sum) {
  return k.target().fast_fma ? fma(a, b, sum) : sum + a * b;
}

}  // namespace openinfer::kernels
