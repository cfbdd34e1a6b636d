// SPDX-License-Identifier: Apache-2.0
// Products with lanes along the rows of W, which are the columns of y: weights in panel16 go by as one stream, x is
// broadcast, no lane sums. One row of x for decoding; tiles of rows in registers, in chunks that stay in the cache, for
// prompts. How numbers are multiplied is a value of its own: in f32 here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "codegen/kernels/panel_code.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {

/// Groups of panels side by side as an arithmetic wants them, made once for many tiles of rows: in shared memory, which
/// a CPU keeps in its nearest cache. Places are [group][of the group][vector][lane].
struct DecodedGroups {
  kir::Mem words, scales, minima;  // i32: four quants each; f32
  int vectors = 0;
  /// Where the lane's part of place `at`, of `count` in a group, is.
  kir::Val place(const kir::Val& group, int count, const kir::Val& at, int vector) const;
};

/// One block position of a panel against the same 32 elements of some rows of x.
struct PanelStep {
  kir::Build& k;
  const PanelCode& code;
  const std::vector<PanelBlock>& blocks;   // by vector: sixteen rows are several vectors where there are fewer lanes
  int side_by_side;                        // so many vectors meet each x at once; they stand together in blocks
  const kir::Mem& x;                       // plain elements (N, K), or Products::x (N, K / 32)
  const TileRows& rows;                    // of x
  kir::Val block;                          // the position along K / 32
  const kir::Tile& sum;                    // [row · vectors + vector], f32
  const DecodedGroups* decoded = nullptr;  // read instead of blocks, at decoded_group
  kir::Val decoded_group = {};
  int first_decoded = 0;  // vector, of the side_by_side that are meant
};

/// A group of panels that is to be decoded.
struct DecodeStep {
  kir::Build& k;
  const PanelCode& code;
  const std::vector<PanelBlock>& blocks;  // by vector
  const DecodedGroups& to;
  kir::Val group;  // of `to`
};

/// The arithmetic of a product.
struct Products {
  std::string name;    // for plan.txt
  kir::Record x = {};  // what 32 elements of x lie as; no fields: plain elements of Product::x
  /// sum[m, v] += Σ_j W[row of v, 32·block + j] · x[first_row + m, 32·block + j]
  std::function<void(const PanelStep&)> add;
  /// The same of that group and the one behind it, for one row of x and codes with grouped.pair. Empty: not needed.
  std::function<void(const PanelStep&)> add_pair = {};
  bool side_by_side = false;  // is it worth while that an x meets several vectors, of a panel and of several?
  /// Empty: an add that does not know decoded groups.
  std::function<void(const DecodeStep&)> decode = {};
};

/// Exact weights, f32 sums.
const Products& f32_products();

/// Needs weights in panel16 and sums in f32. Asks the target for (tune.NAME of a device's row):
///   outer_rows      sums in registers for a lane, for prompts: rows of x times panels (in integers times vectors too)
///   outer_panels    panels side by side in a prompt, where the columns are as many and the arithmetic wants it
///   outer_depth     k of panels that are decoded once for a chunk of rows, in integers; 0: by each tile
///   outer_chunk     rows of x that a workgroup goes through for its columns
///   prefetch_bytes  how far ahead a stream that few rows read is fetched; 0: not at all
TemplateKernel outer(const kir::Target& target, const Product& what, const Products& products = f32_products());

/// Does that product, whose tails are not looked at, store its result in 8-bit blocks where a tail's output asks for
/// them? A workgroup has whole blocks then: panels in pairs. Not of fewer than eight rows, which are read as one
/// stream.
bool stores_int8_rows(const kir::Target& target, const Product& what);

}  // namespace openinfer::kernels
