// SPDX-License-Identifier: Apache-2.0
// Products of many rows by matrix units: f16 fragments with sums in f32. Weights and activations are rounded to f16 on
// the way, so this is for numerics that allow it: `fast`.
#pragma once

#include <cstdint>
#include <string>

#include "codegen/kernels/product.h"

namespace openinfer::kernels {

/// Products of fewer rows are left to others: a tile of them would be mostly empty.
inline constexpr std::int64_t kMmaRows = 16;

/// Why mma_product does not serve this: the target has no such fragments, few rows, a dtype that f16 does not stand
/// for, … Empty: it does.
std::string why_no_mma(const kir::Target& target, const Product& what);

/// y[n, m] = tail(Σ_k f16(x[n, k]) · f16(W[k, m])): a workgroup for a tile of 64 rows and 64 columns (of zipped
/// weights 32 each). Slices of 32 k are staged in shared memory, blocks decoded there; subgroups share out the tile's
/// fragments; the sums go through shared memory to bias, tail and stores. At most 36 KiB of it.
/// Numbers beyond 65504 become infinite. Errors: internal where why_no_mma says why not.
TemplateKernel mma_product(const kir::Target& target, const Product& what);

}  // namespace openinfer::kernels
