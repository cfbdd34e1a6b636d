// SPDX-License-Identifier: Apache-2.0
// Products of activations in 8-bit blocks (int8_rows.h) with quants as bytes, four at a time: integers, exactly;
// scales, zero points and minima come once for each group.
#pragma once

#include "codegen/kernels/outer.h"
#include "codegen/kernels/product_parts.h"

namespace openinfer::kernels {

/// sum[m] += Σ_k W[column, k] · x[row m, k] over the lanes' share of k: within a group that shares a scale, lanes take
/// neighbouring words of four quants. What all of them share, Σq · zero and Σx · minimum, is the first one's.
void add_bytes(const ProductParts& p, std::size_t weight, kir::Val column, const kir::Tile& sum);

/// The same over panels, for outer().
const Products& int8_products();

}  // namespace openinfer::kernels
