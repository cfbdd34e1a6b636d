// SPDX-License-Identifier: Apache-2.0
// Products of many rows over panels, or rows of f16 and bf16, by matrix units that multiply bf16 (AMX tiles).
// Activations lie as rows of bf16 (apart_rows.h); weights are decoded to bf16 once for all rows of a workgroup. Both
// are rounded, so this is for numerics that allow it: `fast`.
#pragma once

#include <cstdint>
#include <string>

#include "codegen/kernels/product.h"

namespace openinfer::kernels {

/// Products of fewer rows are left to outer.h: what decoding a weight to bf16 costs must be shared by more than one
/// tile. Sixteen sequences side by side on Sapphire Rapids, SmolLM2: 8-bit dots 950 to 1,000 tokens/s, tiles 420 to
/// 500.
inline constexpr std::int64_t kOuterMmaRows = 33;

/// Why outer_mma does not serve products of that size: the target has no such fragments, few rows, columns that do not
/// stay in a core's cache when they are decoded. `at_once`: weights whose columns meet in one tail. Empty: it does,
/// where all weights are panels, or lie by rows and is_half.
std::string why_no_outer_mma(const kir::Target& target, const Extent& rows, std::int64_t K, std::size_t at_once);

/// f16 or bf16.
bool is_half(DType dtype);

/// y[n, m] = tail(Σ_k bf16(x[n, k]) · bf16(W[k, m])), sums in f32: a workgroup for 32 columns and a chunk of rows.
/// With u = 2^-8, the unit of bf16, and |sum's own roundings| of f32: off by at most (2u + u²) Σ|x·w| and those.
/// What is below 2^-126 counts as 0. Asks the target for (tune.NAME of a device's row):
///   mma_chunk   rows of x that decoded columns meet before they are decoded anew
/// Errors: internal where why_no_outer_mma says why not, or a weight is neither.
TemplateKernel outer_mma(const kir::Target& target, const Product& what);

}  // namespace openinfer::kernels
