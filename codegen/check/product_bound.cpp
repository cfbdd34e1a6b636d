// SPDX-License-Identifier: Apache-2.0
// Matrix products: |fl(Σ a·b) - Σ a·b| ≤ c · u · Σ|a·b|, c the sum's roundings and a few for each term.
#include <algorithm>
#include <array>
#include <cmath>

#include "codegen/check/op_bounds.h"
#include "lib/base/fail.h"

namespace openinfer::check {
namespace {

/// One for the product, and three for what decoding blocks may round: scale times quant, plus minimum, a sum of sums.
constexpr double kPerTerm = 4;

/// |w|, or where kernels add scale · quant and a minimum apart, at least the size of those two. Quantizers put the
/// smallest element of a group at quant 0, so that the minimum is no larger than the largest |w| of its group, and
/// scale · quant no larger than twice that.
std::vector<double> sizes_of(DType dtype, const std::vector<double>& row) {
  constexpr std::size_t kGroup = 32;
  std::vector<double> sizes;
  for (const double w : row) sizes.push_back(std::abs(w));
  if (!has_minimum(dtype)) return sizes;
  for (std::size_t first = 0; first < sizes.size(); first += kGroup) {
    const auto from = sizes.begin() + static_cast<std::ptrdiff_t>(first);
    const auto to = from + static_cast<std::ptrdiff_t>(std::min(kGroup, sizes.size() - first));
    std::fill(from, to, 3 * *std::max_element(from, to));
  }
  return sizes;
}

struct Sums {
  double value = 0, size = 0;
};

/// In eight parts, so that a compiler may use vectors.
Sums dot(const double* x, const double* x_size, const double* w, const double* w_size, std::size_t n) {
  std::array<double, 8> value = {}, size = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (std::size_t j = 0; j < 8; ++j) {
      value[j] += x[i + j] * w[i + j];
      size[j] += x_size[i + j] * w_size[i + j];
    }
  for (; i < n; ++i) value[0] += x[i] * w[i], size[0] += x_size[i] * w_size[i];
  Sums sums;
  for (std::size_t j = 0; j < 8; ++j) sums.value += value[j], sums.size += size[j];
  return sums;
}

struct Matrix {
  DType dtype;
  const std::byte* bytes;
  std::size_t rows, columns;  // as stored
  std::vector<double> row(std::size_t r) const {
    const auto length = static_cast<std::int64_t>(columns);
    const auto row_bytes = static_cast<std::size_t>(size_bytes(dtype, length));
    return numbers_of(dtype, bytes + r * row_bytes, length);
  }
};

/// x (M, K) times a stored matrix: a stored row is a column of the product, or a row of its second factor.
Bounded times_stored(const Tensor& x, const Matrix& w, bool by_rows, ThreadPool& pool) {
  const std::size_t K = by_rows ? w.columns : w.rows, N = by_rows ? w.rows : w.columns;
  const std::vector<double> a = numbers_of(x), a_size = numbers_of(absolute(x));
  const std::size_t M = K == 0 ? static_cast<std::size_t>(x.count()) : a.size() / K;
  Bounded y = {std::vector<double>(M * N), std::vector<double>(M * N)};
  if (by_rows) {
    pool.parallel_for(static_cast<std::int64_t>(N), 16, [&](std::int64_t begin, std::int64_t end) {
      for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
        const std::vector<double> b = w.row(n), b_size = sizes_of(w.dtype, b);
        for (std::size_t m = 0; m < M; ++m) {
          const Sums sums = dot(a.data() + m * K, a_size.data() + m * K, b.data(), b_size.data(), K);
          y.value[m * N + n] = sums.value;
          y.error[m * N + n] = sums.size;
        }
      }
    });
    return y;
  }
  for (std::size_t k = 0; k < K; ++k) {
    const std::vector<double> b = w.row(k), b_size = sizes_of(w.dtype, b);
    for (std::size_t m = 0; m < M; ++m)
      for (std::size_t n = 0; n < N; ++n) {
        y.value[m * N + n] += a[m * K + k] * b[n];
        y.error[m * N + n] += a_size[m * K + k] * b_size[n];
      }
  }
  return y;
}

bool transposes(const ExactRun& run) {
  return run.node.op->name == "matmul" && std::get<bool>(run.attribute("transpose_w"));
}

/// In place, so that the largest matrices are never whole in f64.
Bounded by_weight(const ExactRun& run, const Tensor& x) {
  const Model& model = *run.values.graph().model;
  const std::string key = run.values.key(run.node.operands[1]);
  const TensorInfo there = model.tensor(key);
  const auto logical_rows = static_cast<std::size_t>(there.shape[0]),
             columns = static_cast<std::size_t>(there.shape[1]);
  const Matrix stored = {there.dtype, model.bytes(key).data(), there.transposed ? columns : logical_rows,
                         there.transposed ? logical_rows : columns};
  return times_stored(x, stored, there.transposed != transposes(run), run.pool);
}

/// A bias is added once to each column.
void add_bias(const std::vector<double>& bias, Bounded& y) {
  for (std::size_t i = 0; i < y.value.size(); ++i) {
    y.value[i] += bias[i % bias.size()];
    y.error[i] += std::abs(bias[i % bias.size()]);
  }
}

}  // namespace

Bounded product_bound(const ExactRun& run) {
  const Tensor x = run.operand(0);
  Bounded y;
  if (run.values.is_weight(run.node.operands[1]) && run.type(1).shape.size() == 2) {
    y = by_weight(run, x);
    if (run.node.op->name == "linear") add_bias(numbers_of(run.operand(2)), y);
  } else {
    std::vector<Tensor> operands = operands_of(run);
    y.value = in_f64(run.node, operands);
    for (Tensor& o : operands) o = absolute(o);
    y.error = in_f64(run.node, operands);
  }
  const double u = x.dtype() == DType::f64 ? 2 * unit(DType::f64) : unit(DType::f32);
  const double units = (roundings_of_sum(x.shape().back()) + kPerTerm) * u;
  for (double& error : y.error) error *= units;
  return y;
}

}  // namespace openinfer::check
