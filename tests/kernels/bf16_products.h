// SPDX-License-Identifier: Apache-2.0
// Products whose operands are rounded to bf16, against f64 loops: by whatever schedule the target has.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/kernels/product.h"
#include "stored.h"

namespace openinfer::kernels {

double bf16_of(double x);

/// x (N, K) as rows of bf16, with NaN wherever no element of x is.
Data bf16_rows(const Stored& x, std::int64_t N);

/// bf16(x) · bf16(w) of row n and column m, and how far sums in f32 may be from it. `added`: behind the sum, once.
Near rounded_product(const Stored& x, const Stored& w, std::int64_t n, std::int64_t m, double added = 0);

/// Blocks as panels, others as they are.
Data bf16_weight(const Stored& w);

/// y0, y1 … (N, M) = x · w0, w1 …
Product bf16_product(const std::vector<const Stored*>& weights, std::int64_t K, Extent rows,
                     Product::Siblings siblings = Product::Siblings::one);

/// Fails the test where an element of y0 is farther from rounded_product than that says. `known`: the number of rows.
void check_bf16_product(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t K, std::int64_t M,
                        bool known = false);
/// The same of a product whose rows are that extent, of which there are N.
void check_bf16_product(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t K, std::int64_t M,
                        const Extent& rows);

}  // namespace openinfer::kernels
