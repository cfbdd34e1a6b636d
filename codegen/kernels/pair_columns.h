// SPDX-License-Identifier: Apache-2.0
// Products of a few rows of x over rows of floats (decoding of several sequences), for numerics that round both
// operands to bf16: lanes along K, as matvec's, a lane with a pair of neighbouring k. x lies in rows of bf16
// (bf16_rows.h); W is rounded as it is read. Beside f32 half as much of x and half as many products for the same k.
#pragma once

#include <string>

#include "codegen/kernels/product.h"

namespace openinfer::kernels {

/// Why pair_columns does not serve that product: one row of x, or more than a few tiles of them, x that is no rows of
/// bf16, an odd K, weights that are no rows of floats, experts, a target with several subgroups or without
/// Target::bf16_dot. Empty: it does.
std::string why_no_pair_columns(const kir::Target& target, const Product& what);
/// The same before there is a product: of what has such weights.
std::string why_no_pair_columns(const kir::Target& target, const Extent& rows, std::int64_t K);
/// Two to as many rows as are faster so than by tiles.
bool is_for_pair_columns(const Extent& rows);

/// y[n, m] = tail(Σ_k x[n, k] · W[k, m]). A lane adds up every pair of its own in order, then the lanes' sums meet: the
/// same bits for every number of rows and wherever a row stands among them. outer_mma.h says how far off. Asks the
/// target for columns_ahead (product.h).
/// Errors: internal where why_no_pair_columns says why not.
TemplateKernel pair_columns(const kir::Target& target, const Product& what);

}  // namespace openinfer::kernels
