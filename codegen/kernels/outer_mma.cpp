// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/outer_mma.h"

#include <algorithm>
#include <vector>

#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/panel_code.h"
#include "codegen/kernels/product_mma.h"
#include "codegen/kernels/product_parts.h"
#include "lib/base/fail.h"

namespace openinfer::kernels {
namespace {

using kir::Build;
using kir::Kind;
using kir::Mem;
using kir::Rate;
using kir::Tile;
using kir::Val;

constexpr MmaShape kTile = kBf16Fragments;
constexpr int kSides = kTile.n / kPanelRows;         // panels of a workgroup
constexpr int kStepPairs = kTile.k / 2 * kTile.n;    // pairs of k that one fragment of W has
constexpr int kPieceStride = kTile.k + 1;            // lanes along rows meet different banks of the cache
constexpr std::int64_t kMostDecodedBytes = 1 << 20;  // half of an L2 that has AMX beside it

std::int64_t decoded_bytes(std::int64_t K) { return K * kTile.n * info(DType::bf16).block_bytes; }

bool is_plain(const Product::Weight& w) { return w.layout == Layout::rows; }

class OuterMma {
 public:
  explicit OuterMma(const ProductParts& p) : k_(p.k()), p_(p) {
    const std::size_t at_once = p.weights_at(0).size();
    for (std::size_t i = 0; i < at_once; ++i) {
      const std::string number = at_once == 1 ? "" : fmt::format("_{}", i + 1);
      w_tiles_.push_back(k_.shared("w_tile" + number, Kind::u32, static_cast<int>(p.K() / kTile.k) * kStepPairs));
      sum_tiles_.push_back(k_.shared("sum_tile" + number, Kind::f32, kTile.m * kTile.n));
    }
    const std::vector<Product::Weight>& weights = p.what().weights;
    if (std::any_of(weights.begin(), weights.end(), is_plain))
      piece_ = k_.shared("piece", Kind::f32, kTile.n * kPieceStride);
  }

  /// The workgroup's columns, from `first` on, for its rows.
  void run(std::size_t place, const Val& first) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    for (std::size_t i = 0; i < weights.size(); ++i) decode(weights[i], w_tiles_[i], first);
    const Val end = k_.let("end_row", min(p_.first_row() + p_.tile(), p_.n_rows()));
    k_.for_(
        "row", p_.first_row(), end,
        [&](const Val& row) {
          k_.barrier();  // panels are decoded, and the sums of the rows before are stored
          for (std::size_t i = 0; i < weights.size(); ++i) multiply(i, row);
          k_.barrier();
          finish(place, first, row, end);
        },
        1, kTile.m);
  }

 private:
  Val columns(std::size_t weight) const { return value_of(k_, p_.what().weights[weight].columns); }
  bool in_whole_tiles(std::size_t weight) const {
    const Extent& columns = p_.what().weights[weight].columns;
    return columns.known() && columns.value % kTile.n == 0;
  }

  void decode(std::size_t weight, const Mem& to, const Val& first) const {
    if (p_.weight(weight).in_blocks())
      decode_panels(weight, to, first);
    else
      turn_rows(weight, to, first);
  }

  /// The panels' elements as pairs of neighbouring k, in the order of fragments. Behind the last panel that one again:
  /// its sums are not stored.
  void decode_panels(std::size_t weight, const Mem& to, const Val& first) const {
    const StoredMatrix& w = p_.weight(weight);
    const PanelCode& code = w.panel();
    const std::int64_t blocks = p_.K() / code.size();
    k_.for_("side", 0, kSides, [&](const Val& side) {
      Val panel = first / kPanelRows + side;
      if (!in_whole_tiles(weight)) panel = min(panel, columns(weight) / kPanelRows - 1);
      const Val start = k_.let("first_block", panel * blocks);
      k_.for_("b", 0, blocks, [&](const Val& b) {
        const kir::Slot slot = w.memory().block(k_.let("at", start + b));
        fetch_ahead(k_, code, slot);
        k_.for_("g", 0, code.groups, [&](const Val& g) {
          fetch_ahead(k_, code, slot, g);
          const Val step = k_.let("to", (b * code.groups + g) * kStepPairs + side * kPanelRows);
          decode_group({slot, k_.lane_in(kPanelRows), g}, code, to, step);
        });
      });
    });
  }
  void decode_group(const PanelBlock& block, const PanelCode& code, const Mem& to, const Val& start) const {
    const Val fifth = code.fifth_bits(k_, block);
    const Val low = code.has_minimum ? k_.let("low", code.minimum(block)) : Val();
    const int words = code.words / code.scales;
    for (int s = 0; s < code.scales; ++s) {
      const Val scale = k_.let("scale", code.scale(block, s));
      k_.each("word", words, [&](const Val& w) {
        const Val number = w + s * words, word = k_.let("quants", code.word(block, number));
        k_.each("half", code.parts, [&](const Val& half) {
          k_.each("pair", 2, [&](const Val& pair) {
            const auto element = [&](const Val& byte) {
              const Val q = code.quant(word, fifth, number, byte, half);
              return code.has_minimum ? mul_add(k_, scale, q, low) : scale * q;
            };
            const Val at = start + (number * 2 + half * 8 + pair) * kTile.n;
            to[at + k_.lane()] = bf16_pair(element(pair * 2), element(pair * 2 + 1));
          });
        });
      });
    }
  }

  /// Plain rows: lanes along k as they lie, then, from a piece that is in the cache, along the rows.
  void turn_rows(std::size_t weight, const Mem& to, const Val& first) const {
    const Mem& w = p_.weight(weight).memory();
    k_.for_("step", 0, p_.K() / kTile.k, [&](const Val& step) {
      k_.for_("c", 0, kTile.n, [&](const Val& c) {
        const Val column = in_whole_tiles(weight) ? first + c : min(first + c, columns(weight) - 1);
        const Val from = k_.let("from", column * p_.K() + step * kTile.k);
        k_.for_lanes("j", 0, kTile.k, [&](const Val& j) { piece_[c * kPieceStride + j] = f32_of(w[from + j]); });
      });
      k_.barrier();
      k_.for_("pair", 0, kTile.k / 2, [&](const Val& pair) {
        k_.for_lanes("c", 0, kTile.n, [&](const Val& c) {
          const Val from = c * kPieceStride + pair * 2;
          to[step * kStepPairs + pair * kTile.n + c] = bf16_pair(piece_[from], piece_[from + 1]);
        });
      });
      k_.barrier();
    });
  }

  /// A tile of sums over all k.
  void multiply(std::size_t i, const Val& row) const {
    const std::int64_t stride = bf16_stride(p_.K());
    const Tile sum = k_.tile("sum", 1, Kind::mma_c, Rate::subgroup);
    const Val x_at = k_.let("x_at", row * stride);
    k_.for_("step", 0, p_.K() / kTile.k, [&](const Val& step) {
      const Val x = k_.let("x_part", k_.mma_load(Kind::mma_a, p_.x_memory(), x_at + step * kTile.k, stride));
      const Val w = k_.let("w_part", k_.mma_load(Kind::mma_b, w_tiles_[i], step * kStepPairs, kTile.n));
      sum[0] = k_.mma(x, w, sum[0]);
    });
    k_.mma_store(sum_tiles_[i], 0, kTile.n, sum[0]);
  }

  /// Bias, tail and stores of the rows and columns that there are.
  void finish(std::size_t place, const Val& first, const Val& row, const Val& end) const {
    const std::vector<std::size_t> weights = p_.weights_at(place);
    const Val columns_here = in_whole_tiles(weights[0])
                                 ? k_.constant(kTile.n)
                                 : k_.let("columns_here", min(columns(weights[0]) - first, kTile.n));
    k_.for_("r", 0, k_.let("rows_here", min(end - row, kTile.m)), [&](const Val& r) {
      k_.for_lanes("c", 0, columns_here, [&](const Val& c) {
        Sums sums;
        for (std::size_t i = 0; i < weights.size(); ++i)
          sums.emplace_back(weights[i], k_.let("total", sum_tiles_[i][r * kTile.n + c]));
        p_.store(place, sums, row + r, first + c);
      });
    });
  }

  Build& k_;
  const ProductParts& p_;
  std::vector<Mem> w_tiles_, sum_tiles_;  // of weights whose columns meet in one tail
  Mem piece_;                             // of plain rows: 32 of them, 32 elements
};

}  // namespace

std::string why_no_outer_mma(const kir::Target& target, const Extent& rows, std::int64_t K, std::size_t at_once) {
  if (!target.mma) return "the device has no matrix units that this api reaches";
  if (*target.mma != kTile || target.lanes != kPanelRows || target.subgroups != 1)
    return fmt::format("no schedule over panels for fragments of {}x{}x{}", target.mma->m, target.mma->n,
                       target.mma->k);
  if (rows.value < kOuterMmaRows) return fmt::format("at most {} rows", rows.value);
  if (K % kTile.k != 0) return fmt::format("{} is no multiple of {}", K, kTile.k);
  const std::int64_t bytes = decoded_bytes(K) * static_cast<std::int64_t>(at_once);
  if (bytes > kMostDecodedBytes)
    return fmt::format("{} columns of {} are {} bytes in bf16, more than {}", kTile.n, K, bytes, kMostDecodedBytes);
  return "";
}

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

TemplateKernel outer_mma(const kir::Target& target, const Product& what) {
  Build k(what.name, target);
  const std::size_t at_once = what.siblings == Product::Siblings::zipped ? what.weights.size() : 1;
  if (const std::string why = why_no_outer_mma(target, what.rows, what.inner.value, at_once); !why.empty())
    k.fail("no product of panels by matrix units: " + why);
  for (const Product::Weight& w : what.weights)
    if (is_plain(w) && (!is_half(w.dtype) || !w.by_rows || w.affine))
      k.fail(w.name + " is no panel nor rows of halves");
  if (what.x != DType::bf16) k.fail("x lies in rows of bf16");
  ProductParts p(k, what, target.tuned_or("mma_chunk", 512));
  const OuterMma outer(p);
  p.share_columns(kTile.n, [&](std::size_t place, const Val& first) { outer.run(place, first); });
  std::string reason =
      fmt::format("matrix units, {}x{}x{} bf16 with sums in f32: {} columns of W decoded once for {} rows", kTile.m,
                  kTile.n, kTile.k, kTile.n, p.tile());
  return {.kernel = k.done(), .grid = p.grid(kTile.n), .reason = std::move(reason), .columns = p.parts(kTile.n)};
}

}  // namespace openinfer::kernels
