// SPDX-License-Identifier: Apache-2.0
// What every schedule of a product shares: its buffers, which workgroup computes which columns of which rows, and what
// happens to a finished sum (bias, tail, stores).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/product.h"

namespace openinfer::kernels {

inline kir::Val as(kir::Val v, kir::Kind kind) { return v.kind() == kind ? v : convert(v, kind); }

/// Rows of x that share each decoded weight: eight accumulators of a vector each stay in registers everywhere.
inline constexpr std::int64_t kRowTile = 8;

/// Rows of x that are in registers together. Of a tile that may be partly empty the last row of x stands in for those
/// behind it, whose results are not stored.
struct TileRows {
  kir::Val first;
  int count = 1;
  std::int64_t length = 0;               // from a row to the next, in elements or records
  std::optional<kir::Tile> starts = {};  // of each, where the tile may be partly empty
  /// Row m of the tile is behind() + start() + … in memory: one address serves all where rows lie evenly.
  kir::Val start() const { return starts ? first.build()->constant(0) : first * length; }
  kir::Val behind(const kir::Val& m) const { return starts ? kir::Val((*starts)[m]) : m * length; }
  /// Of x's rows before row `end`.
  static TileRows before(const kir::Val& end, const kir::Val& first, int count, std::int64_t length);
};

/// Sums by weight: of a place's weights in order.
using Sums = std::vector<std::pair<std::size_t, kir::Val>>;

class ProductParts {
 public:
  /// Declares the buffers: x, for each weight itself and its bias, then the tails'. `tile`: rows of x of a workgroup.
  /// `x`: what x's buffer holds, if not plain elements.
  ProductParts(kir::Build& k, const Product& what, std::int64_t tile, const kir::Record& x = {});
  /// The same where x's buffer is declared already.
  ProductParts(kir::Build& k, const Product& what, std::int64_t tile, const kir::Mem& x);

  kir::Build& k() const { return k_; }
  kir::Kind kind() const { return what_.x == DType::f64 ? kir::Kind::f64 : kir::Kind::f32; }
  int tile() const { return tile_; }
  std::int64_t K() const { return what_.inner.value; }
  const Product& what() const { return what_; }
  const StoredMatrix& weight(std::size_t i) const { return *weights_[i]; }
  /// The stored row that is that column of W, of a weight by rows.
  kir::Val stored_row(std::size_t i, kir::Val column) const;
  /// W[at, column] however it is stored, for any lane.
  kir::Val weight_at(std::size_t i, kir::Val at, kir::Val column) const;
  /// Weights with columns, and a tail, of their own.
  std::size_t places() const { return is_stacked() ? what_.weights.size() : 1; }
  /// Weights whose columns meet in the tail of that place.
  std::vector<std::size_t> weights_at(std::size_t place) const;

  /// Shared memory of so many f32 for each weight whose columns meet in one tail: "sums" or "sums_1", "sums_2", …
  std::vector<kir::Mem> shared_sums(int count) const;

  /// Do all rows fit one tile?
  bool one_tile() const { return what_.rows.known() && what_.rows.value <= tile_; }
  const kir::Val& first_row() const { return first_row_; }
  const kir::Val& n_rows() const { return n_rows_; }
  /// Row m of the tile; behind the last row the last once more, whose results are not stored.
  kir::Val row(kir::Val m) const { return tile_ == 1 ? first_row_ : min(first_row_ + m, n_rows_ - 1); }
  kir::Val x(kir::Val m, kir::Val at) const {
    return as(x_[k_.let("x_at", (what_.experts ? x_row_ : row(m)) * K() + at)], kind());
  }
  const kir::Mem& x_memory() const { return x_; }

  /// Workgroups count through the columns, `divide` at a time (of stacked weights one behind the other), then through
  /// the tiles of rows. f(place, first column): `place` counts stacked weights, and is 0 for others.
  void share_columns(int divide, const std::function<void(std::size_t place, kir::Val first)>& f);
  std::vector<GridFactor> grid(int divide) const;
  /// Of workgroups that read the stored rows of their columns alone: nothing where weights lie otherwise.
  ColumnParts parts(int divide) const;
  /// Bias, tail and stores of one element.
  void store(std::size_t place, const Sums& sums, const kir::Val& row, const kir::Val& column) const;
  /// Where a place's result goes in 8-bit blocks; null: it has no such.
  const Int8Rows* blocks(std::size_t place) const { return tails_[place]->blocks(); }
  /// As store(), but for the element of a block, which it returns.
  kir::Val element_of_block(std::size_t place, const Sums& sums, const kir::Val& row, const kir::Val& column) const;
  /// The number of the block that begins there.
  kir::Val block_at(std::size_t place, const kir::Val& row, const kir::Val& column) const;

 private:
  bool is_stacked() const { return what_.siblings == Product::Siblings::stacked; }
  void start_rows(kir::Val tile);
  std::vector<kir::Val> with_bias(const Sums& sums, const kir::Val& column) const;

  kir::Build& k_;
  const Product& what_;
  int tile_;
  kir::Mem x_, ids_;
  kir::Val first_row_, n_rows_;
  kir::Val expert_, x_row_;  // with experts: of the one row
  std::vector<std::unique_ptr<StoredMatrix>> weights_;
  std::vector<kir::Mem> biases_;
  std::vector<std::unique_ptr<PointwiseCode>> tails_;
};

/// Rows of f16, bf16 or f32 as they are, each in one piece.
bool has_float_rows(const Product::Weight& weight);

/// Fetches what lies behind plain columns that are read side by side, in one line, which the device follows: at every
/// step along k, from k = at on, as many lines as the step reads.
void prefetch_columns(const ProductParts& p, std::size_t weight, const kir::Val& column, const kir::Val& at,
                      int columns, int step);

/// sum + a * b, in one instruction where the target has it.
kir::Val mul_add(const kir::Build& k, const kir::Val& a, const kir::Val& b, const kir::Val& sum);

}  // namespace openinfer::kernels
