// SPDX-License-Identifier: Apache-2.0
#include "bf16_products.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "codegen/kernels/apart_rows.h"
#include "openinfer/half.h"

namespace openinfer::kernels {

double bf16_of(double x) { return bfloat_to_float(float_to_bfloat(static_cast<float>(x))); }

Data bf16_rows(const Stored& x, std::int64_t N) {
  const std::int64_t stride = bf16_stride(x.n);
  Data rows(DType::bf16, (N + kBf16SpareRows) * stride);
  for (std::int64_t i = 0; i < rows.count(); ++i) rows.set(i, std::numeric_limits<double>::quiet_NaN());
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t k = 0; k < x.n; ++k) rows.set(n * stride + k, x.at(n, k));
  return rows;
}

/// Products of two bf16 are exact in f32, sums in any order differ by K eps Σ|x·w| (Higham 2002, 3.1). A decoded
/// element may be rounded to either neighbour where the two ways to compute it in f32 differ: 2^-8 of it, for few.
Near rounded_product(const Stored& x, const Stored& w, std::int64_t n, std::int64_t m, double added) {
  Near sum = {added, std::abs(added)};
  double near_ties = 0;
  for (std::int64_t k = 0; k < x.n; ++k) {
    const double a = bf16_of(x.at(n, k)), b = w.at(m, k), rounded = bf16_of(b);
    sum.value += a * rounded;
    sum.bound += std::abs(a * rounded);
    // How far decoding in f32 may be off: the scaled quant and the minimum are rounded, at most 4 · the largest |w|.
    const double slack = 3 * 0x1p-24 * 4 * w.largest();
    if (bf16_of(b - slack) != bf16_of(b + slack)) near_ties += std::abs(a) * std::max(std::abs(b) * 0x1p-7, slack);
  }
  sum.bound = sum.bound * static_cast<double>(x.n + 2) * 0x1p-24 + near_ties + 1e-30;
  return sum;
}

Data bf16_weight(const Stored& w) { return is_block(w.dtype) ? panels(w) : w.data; }

Product bf16_product(const std::vector<const Stored*>& weights, std::int64_t K, Extent rows,
                     Product::Siblings siblings) {
  Product p = {.name = "p", .x = DType::bf16, .rows = rows, .inner = {K}, .siblings = siblings};
  p.bf16 = true;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto M = static_cast<std::int64_t>(weights[i]->values.size()) / K;
    const std::string number = std::to_string(i);
    p.weights.push_back({.name = "w" + number,
                         .dtype = weights[i]->dtype,
                         .columns = {M},
                         .layout = is_block(weights[i]->dtype) ? Layout::panel16 : Layout::rows});
    p.tails.push_back({.axes = {rows, {M}}, .given = {DType::f32}, .outputs = {{"y" + number, DType::f32, 0}}});
  }
  return p;
}

void check_bf16_product(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t K, std::int64_t M,
                        bool known) {
  check_bf16_product(target, dtype, N, K, M, known ? Extent{N} : Extent{512, "N"});
}

void check_bf16_product(const kir::Target& target, DType dtype, std::int64_t N, std::int64_t K, std::int64_t M,
                        const Extent& rows) {
  INFO(name(dtype) << ": " << N << ", " << K << ", " << M);
  const Stored x(DType::f32, N, K, 11), w(dtype, M, K, 12);
  const Product p = bf16_product({&w}, K, rows);
  Buffers b = {{"x", bf16_rows(x, N)}, {"w0", bf16_weight(w)}, {"y0", Data(DType::f32, N * M)}};
  run(product(target, p), b, {{"N", N}});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t m = 0; m < M; ++m) check(b["y0"], n * M + m, rounded_product(x, w, n, m));
}

}  // namespace openinfer::kernels
