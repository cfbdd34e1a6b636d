// SPDX-License-Identifier: Apache-2.0
// Products of a few rows of x over rows of floats (decoding of several sequences), on targets of one subgroup: lanes
// along K, as matvec's, with some rows by some columns of sums in registers. In f32; or, where x lies in rows of bf16
// (apart_rows.h), of numerics that round both operands to bf16: a lane has a pair of neighbouring k and W is rounded as
// it is read, half as much of x and half as many products for the same k.
#pragma once

#include <string>

#include "codegen/kernels/product.h"

namespace openinfer::kernels {

/// Why few_rows does not serve that product: one row of x, or of bf16 more than a few tiles of them, x of f64, of bf16
/// an odd K, weights that are no rows of floats, experts, a target with several subgroups or without few_rows_at_once,
/// of bf16 without Target::bf16_dot. Empty: it does.
std::string why_no_few_rows(const kir::Target& target, const Product& what);
/// The same of x in rows of bf16, before there is a product: of what has such weights.
std::string why_no_few_bf16_rows(const kir::Target& target, const Extent& rows, std::int64_t K);
/// Two to as many rows as are faster so than by tiles of W.
bool are_few_bf16_rows(const Extent& rows);

/// y[n, m] = tail(Σ_k x[n, k] · W[k, m]). A lane adds up every k (of bf16 every pair) of its own in order, then the
/// lanes' sums meet: the same bits for every number of rows and wherever a row stands among them. Of bf16: outer_mma.h
/// says how far off. Asks the target for columns_ahead (product.h) and (tune.NAME of a device's row):
///   few_rows_at_once  rows in registers, by three columns; 0: not so for the device; of bf16 all of a tile, by four
/// Errors: internal where why_no_few_rows says why not.
TemplateKernel few_rows(const kir::Target& target, const Product& what);

}  // namespace openinfer::kernels
