// SPDX-License-Identifier: Apache-2.0
// Products of many rows in f32 over panels, or rows of floats: weights are decoded (rows: turned) once for a chunk of
// rows, into a tile that stays in the nearest cache; tiles of rows by columns stay in registers, so that a load serves
// several multiply-adds. The arithmetic is that of strict numerics: exact weights, f32 sums. Or, where x lies in rows
// of bf16 (apart_rows.h), of numerics that round both operands to bf16: the tile has pairs of neighbouring k.
#pragma once

#include <string>

#include "codegen/kernels/product.h"

namespace openinfer::kernels {

/// Why outer_tiles does not serve that product: a target without tile_depth, few rows, weights that are neither
/// panels nor rows of f16, bf16 or f32, x in bf16 on a target without Target::bf16_dot.
/// Empty: it does.
std::string why_no_outer_tiles(const kir::Target& target, const Product& what);
/// The same of x in rows of bf16, before there is a product: of what has such weights.
std::string why_no_bf16_tiles(const kir::Target& target, const Extent& rows, std::int64_t K);

/// Has that product more of x in rows that lie apart (Product::apart) than it costs to copy them so? Rows of a multiple
/// of 2 KiB meet in the same sets of a cache: K = 2,048 1.2 times, 4,096 1.2, 3,072 1.15, 1,536 and 5,632 1.06 times as
/// fast where they do not (Zen 3, one thread, AVX2; bench/cpu/zen3.md).
bool wants_apart_rows(const kir::Target& target, const Product& what);

/// y[n, m] = tail(Σ_k x[n, k] · W[k, m]). A sum goes through k in order, tile_depth of them from zero on at a time: the
/// same bits for every number of rows and wherever a row stands among them. Of bf16: outer_mma.h says how far off.
/// Asks the target for (tune.NAME of a device's row):
///   tile_depth    k that are decoded at once, a multiple of 32; 0: this schedule is not for the device
///   tile_panels   panels of 16 columns side by side
///   tile_rows     rows of x in registers
///   outer_chunk   rows of x that meet a decoded tile; four times as many where rows of W are turned
/// Errors: internal where why_no_outer_tiles says why not.
TemplateKernel outer_tiles(const kir::Target& target, const Product& what);

}  // namespace openinfer::kernels
