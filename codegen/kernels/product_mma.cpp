// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/product_mma.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "codegen/kernels/block_code.h"
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

constexpr int kTileRows = 64, kTileColumns = 64;
constexpr int kSlice = 32;            // of k that is staged at once
constexpr int kSliceStride = 32 + 8;  // f16: rows of a warp's fragment meet different banks of shared memory
constexpr int kChunk = 16;            // neighbouring elements of a block that one lane decodes: they share a scale

/// How subgroups lie over a tile, and the fragments that each has.
struct Division {
  int columns = kTileColumns;  // of the tile, of each weight
  int subgroups_down = 1, subgroups_across = 1;
  int down = 0, across = 0;  // fragments
};

std::optional<Division> division_of(const kir::Target& t, const Product& what) {
  const std::size_t zipped = what.siblings == Product::Siblings::zipped ? what.weights.size() : 1;
  if (zipped > 2) return std::nullopt;
  Division d = {.columns = kTileColumns / static_cast<int>(zipped)};
  const auto rows = [&](int subgroups) { return kTileRows % (subgroups * t.mma->m) == 0; };
  const auto columns = [&](int subgroups) { return d.columns % (subgroups * t.mma->n) == 0; };
  while (d.subgroups_down * d.subgroups_across < t.subgroups) {
    const bool down = d.subgroups_down <= d.subgroups_across;
    if (rows(2 * d.subgroups_down) && (down || !columns(2 * d.subgroups_across)))
      d.subgroups_down *= 2;
    else if (columns(2 * d.subgroups_across))
      d.subgroups_across *= 2;
    else
      return std::nullopt;
  }
  d.down = kTileRows / (d.subgroups_down * t.mma->m);
  d.across = d.columns / (d.subgroups_across * t.mma->n);
  return d.down > 0 && d.across > 0 ? std::optional(d) : std::nullopt;
}

/// Of shared memory: x's tile, and of each weight its own and that of the sums.
std::int64_t tile_bytes(const Division& d, std::size_t zipped) {
  const int stored = kir::info(Kind::f16).bytes, sum = kir::info(Kind::f32).bytes;
  return std::int64_t{kTileRows} * kSliceStride * stored +
         static_cast<std::int64_t>(zipped) * (d.columns * kSliceStride * stored + kTileRows * (d.columns + 8) * sum);
}

bool is_rounded_by_f16(DType d) { return is_block(d) || d == DType::f32 || d == DType::f16 || d == DType::bf16; }

class MmaProduct {
 public:
  MmaProduct(const kir::Target& target, const Product& what)
      : k_(what.name, target), what_(what), shape_(*target.mma), d_(*division_of(target, what)) {
    x_ = k_.in(what.of, memory_kind(what.x), "(N, K)");
    if (what.codebooks) codebooks(k_);
    for (const Product::Weight& w : what.weights) {
      weights_.push_back(std::make_unique<StoredMatrix>(k_, w.name, w.dtype, Layout::rows, "(M, K)"));
      biases_.push_back(w.bias.empty() ? Mem() : k_.in(w.bias, memory_kind(w.bias_dtype), "(M)"));
    }
    for (const Pointwise& tail : what.tails) tails_.push_back(std::make_unique<PointwiseCode>(k_, tail));
    const std::size_t zipped = what.siblings == Product::Siblings::zipped ? what.weights.size() : 1;
    x_tile_ = k_.shared("x_tile", Kind::f16, kTileRows * kSliceStride);
    for (std::size_t i = 0; i < zipped; ++i) {
      const std::string number = zipped == 1 ? "" : fmt::format("_{}", i + 1);
      w_tiles_.push_back(k_.shared("w_tile" + number, Kind::f16, d_.columns * kSliceStride));
      sum_tiles_.push_back(k_.shared("sum_tile" + number, Kind::f32, kTileRows * sum_stride()));
    }
  }

  TemplateKernel run() {
    n_rows_ = value_of(k_, what_.rows);
    share_columns();
    return {.kernel = k_.done(), .grid = grid(), .reason = reason()};
  }

 private:
  std::int64_t K() const { return what_.inner.value; }
  bool is_stacked() const { return what_.siblings == Product::Siblings::stacked; }
  std::size_t places() const { return is_stacked() ? what_.weights.size() : 1; }
  int sum_stride() const { return d_.columns + 8; }
  int parts_of(std::size_t weight) const {
    return static_cast<int>((what_.weights[weight].columns.value + d_.columns - 1) / d_.columns);
  }

  /// Workgroups count through the tiles of columns, of stacked weights one behind the other, then through those of
  /// rows.
  void share_columns() {
    std::vector<int> start = {0};
    for (std::size_t i = 0; i < places(); ++i) start.push_back(start.back() + parts_of(i));
    first_row_ = k_.let("first_row", k_.group() / start.back() * kTileRows);
    const Val part = k_.let("part_of_columns", k_.group() % start.back());
    for (std::size_t i = 0; i < places(); ++i) {
      const auto one = [&] { tile(i, k_.let("first_column", (part - start[i]) * d_.columns)); };
      if (places() == 1)
        one();
      else
        k_.if_(part >= start[i] && part < start[i + 1], one);
    }
  }
  std::vector<GridFactor> grid() const {
    std::int64_t parts = 0;
    for (std::size_t i = 0; i < places(); ++i) parts += parts_of(i);
    return {{Extent{parts}, 1}, {what_.rows, kTileRows}};
  }
  std::string reason() const {
    return fmt::format("matrix units, {}x{}x{} f16 with sums in f32: tiles of {} rows and {} columns", shape_.m,
                       shape_.n, shape_.k, kTileRows, d_.columns);
  }

  void tile(std::size_t place, const Val& first_column) {
    const std::size_t zipped = w_tiles_.size();
    std::vector<Tile> sums;
    for (std::size_t w = 0; w < zipped; ++w)
      sums.push_back(k_.tile("sums", d_.down * d_.across, Kind::mma_c, Rate::subgroup));
    const Val down = k_.let("first_down", k_.subgroup() / d_.subgroups_across * (d_.down * shape_.m));
    const Val across = k_.let("first_across", k_.subgroup() % d_.subgroups_across * (d_.across * shape_.n));
    k_.for_(
        "slice", 0, Val(K()),
        [&](Val slice) {
          k_.barrier();  // before what is staged is overwritten
          stage_rows(slice);
          for (std::size_t w = 0; w < zipped; ++w) stage_columns(place + w, w_tiles_[w], first_column, slice);
          k_.barrier();
          multiply(sums, down, across);
        },
        1, kSlice);
    for (std::size_t w = 0; w < zipped; ++w)
      k_.each("i", d_.down, [&](Val i) {
        k_.each("j", d_.across, [&](Val j) {
          const Val at = (down + i * shape_.m) * sum_stride() + across + j * shape_.n;
          k_.mma_store(sum_tiles_[w], at, sum_stride(), sums[w][i * d_.across + j]);
        });
      });
    k_.barrier();
    finish(place, first_column);
  }

  /// Beyond the last k zeros, beyond the last row that one again: its sums are not stored.
  void stage_rows(const Val& slice) {
    k_.for_group("i", 0, kTileRows * kSlice, [&](Val i) {
      const Val row = k_.let("row", min(first_row_ + i / kSlice, n_rows_ - 1));
      x_tile_[i / kSlice * kSliceStride + i % kSlice] =
          in_range(slice + i % kSlice, [&](const Val& at) { return f32_of(x_[row * K() + at]); });
    });
  }
  Val f32_of(Val v) const { return v.kind() == Kind::f32 ? v : convert(v, Kind::f32); }
  Val in_range(const Val& at, const std::function<Val(const Val&)>& element) {
    if (K() % kSlice == 0) return element(at);
    return select(at < K(), element(min(at, K() - 1)), k_.constant(0.0));
  }

  void stage_columns(std::size_t weight, const Mem& tile, const Val& first_column, const Val& slice) {
    const Val last = value_of(k_, what_.weights[weight].columns) - 1;
    const StoredMatrix& w = *weights_[weight];
    if (!w.in_blocks())
      return k_.for_group("i", 0, d_.columns * kSlice, [&](Val i) {
        const Val column = k_.let("column", min(first_column + i / kSlice, last));
        tile[i / kSlice * kSliceStride + i % kSlice] =
            in_range(slice + i % kSlice, [&](const Val& at) { return f32_of(w.memory()[column * K() + at]); });
      });
    const BlockCode& code = w.code();
    constexpr int kChunks = kSlice / kChunk;
    k_.for_group("i", 0, d_.columns * kChunks, [&](Val i) {
      const Val column = k_.let("column", min(first_column + i / kChunks, last));
      const Val k = k_.let("k", slice + i % kChunks * kChunk);
      const Val j = k_.let("j", k % code.size);
      const Slot block = w.memory().block(k_.let("block", column * (K() / code.size) + k / code.size));
      const Val g = k_.let("g", j / code.group), within = j % code.group;
      const Val part = within / code.run, first = k_.let("first", within % code.run);
      const Val scale = k_.let("scale", code.scale(k_, block, g));
      const Val low = code.minimum ? k_.let("low", code.minimum(k_, block, g)) : Val();
      const Val to = k_.let("to", i / kChunks * kSliceStride + i % kChunks * kChunk);
      k_.each("r", kChunk, [&](Val r) {
        const Val value = scale * code.quant(k_, block, g, part, first + r);
        tile[to + r] = code.minimum ? value + low : value;
      });
    });
  }

  /// sums[i, j] += x's fragment i · W's fragment j, over the slice.
  void multiply(const std::vector<Tile>& sums, const Val& down, const Val& across) {
    k_.each("step", kSlice / shape_.k, [&](Val step) {
      const Tile rows = k_.tile("rows", d_.down, Kind::mma_a, Rate::subgroup);
      k_.each("i", d_.down, [&](Val i) {
        const Val at = (down + i * shape_.m) * kSliceStride + step * shape_.k;
        rows[i] = k_.let("x_part", k_.mma_load(Kind::mma_a, x_tile_, at, kSliceStride));
      });
      for (std::size_t w = 0; w < sums.size(); ++w)
        k_.each("j", d_.across, [&](Val j) {
          const Val at = (across + j * shape_.n) * kSliceStride + step * shape_.k;
          const Val columns = k_.let("w_part", k_.mma_load(Kind::mma_b, w_tiles_[w], at, kSliceStride));
          k_.each("i", d_.down, [&](Val i) {
            const Val place = i * d_.across + j;
            sums[w][place] = k_.mma(rows[i], columns, sums[w][place]);
          });
        });
    });
  }

  /// Bias, tail and stores of the tile's rows and columns that there are.
  void finish(std::size_t place, const Val& first_column) {
    const Val rows = k_.let("rows_here", min(n_rows_ - first_row_, kTileRows));
    const Val columns = value_of(k_, what_.weights[place].columns);
    const Val columns_here = k_.let("columns_here", min(columns - first_column, d_.columns));
    k_.for_subgroups("r", 0, rows, [&](Val r) {
      k_.for_lanes("c", 0, columns_here, [&](Val c) {
        std::vector<Val> given;
        const Val column = k_.let("column", first_column + c);
        for (std::size_t w = 0; w < sum_tiles_.size(); ++w) {
          const Val sum = k_.let("sum", sum_tiles_[w][r * sum_stride() + c]);
          const bool has_bias = !what_.weights[place + w].bias.empty();
          given.push_back(has_bias ? sum + f32_of(biases_[place + w][column]) : sum);
        }
        tails_[place]->apply(given, {first_row_ + r, column});
      });
    });
  }

  Build k_;
  const Product& what_;
  MmaShape shape_;
  Division d_;
  Mem x_, x_tile_;
  Val n_rows_, first_row_;
  std::vector<std::unique_ptr<StoredMatrix>> weights_;
  std::vector<Mem> biases_, w_tiles_, sum_tiles_;
  std::vector<std::unique_ptr<PointwiseCode>> tails_;
};

}  // namespace

std::string why_no_mma(const kir::Target& target, const Product& what) {
  const auto& mma = target.mma;
  if (!mma) return "the device has no matrix units that this api reaches";
  if (mma->operand != DType::f16 || mma->sum != DType::f32 || kSlice % mma->k != 0 || kTileRows % mma->m != 0)
    return fmt::format("no schedule for fragments of {}x{}x{}", mma->m, mma->n, mma->k);
  if (what.rows.value < kMmaRows) return fmt::format("at most {} rows", what.rows.value);
  if (what.int8) return "x lies in 8-bit blocks";
  if (!is_rounded_by_f16(what.x) || is_block(what.x)) return fmt::format("x is {}", name(what.x));
  for (const Product::Weight& w : what.weights) {
    if (w.affine) return fmt::format("{} is quantised with scales of its own", w.name);
    if (w.layout != Layout::rows) return fmt::format("{} lies in panels", w.name);
    if (!w.by_rows) return fmt::format("{} lies by columns", w.name);
    if (!w.columns.known()) return fmt::format("the width of {} is not known", w.name);
    if (!is_rounded_by_f16(w.dtype)) return fmt::format("{} is {}", w.name, name(w.dtype));
    if (is_block(w.dtype) && has_block_code(w.dtype) && block_code(w.dtype).run % kChunk != 0)
      return fmt::format("blocks of {} are decoded in other pieces", name(w.dtype));
  }
  const std::optional<Division> division = division_of(target, what);
  if (!division) return fmt::format("{} subgroups do not share out a tile", target.subgroups);
  const std::int64_t bytes =
      tile_bytes(*division, what.siblings == Product::Siblings::zipped ? what.weights.size() : 1);
  if (bytes > target.most_shared_bytes)
    return fmt::format("tiles take {} bytes of shared memory, of {}", bytes, target.most_shared_bytes);
  return "";
}

TemplateKernel mma_product(const kir::Target& target, const Product& what) {
  if (const std::string why = why_no_mma(target, what); !why.empty())
    fail(ErrorCode::internal, "[kernel {}] no product by matrix units: {}", what.name, why);
  return MmaProduct(target, what).run();
}

}  // namespace openinfer::kernels
