// SPDX-License-Identifier: Apache-2.0
// Matrix products: |fl(Σ a·b) - Σ a·b| ≤ c · u · Σ|a·b|, c the sum's roundings and a few for each term.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "codegen/check/op_bounds.h"
#include "lib/base/fail.h"

namespace openinfer::check {
namespace {

/// One for the product, and three for what decoding blocks may round: scale times quant, plus minimum, a sum of sums.
constexpr double kPerTerm = 4;

/// For each element three times the largest of its group.
std::vector<double> of_groups(std::vector<double> sizes) {
  constexpr std::size_t kGroup = 32;
  for (std::size_t first = 0; first < sizes.size(); first += kGroup) {
    const auto from = sizes.begin() + static_cast<std::ptrdiff_t>(first);
    const auto to = from + static_cast<std::ptrdiff_t>(std::min(kGroup, sizes.size() - first));
    std::fill(from, to, 3 * *std::max_element(from, to));
  }
  return sizes;
}

/// |w|, or where kernels add scale · quant and a minimum apart, at least the size of those two. Quantizers put the
/// smallest element of a group at quant 0, so that the minimum is no larger than the largest |w| of its group, and
/// scale · quant no larger than twice that.
std::vector<double> sizes_of(DType dtype, const std::vector<double>& row) {
  std::vector<double> sizes;
  for (const double w : row) sizes.push_back(std::abs(w));
  return has_minimum(dtype) ? of_groups(std::move(sizes)) : sizes;
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

/// Each row by its expert's matrix, in place: experts that no row chose are not looked at.
Bounded by_experts(const ExactRun& run, const Tensor& x) {
  const Model& model = *run.values.graph().model;
  const std::string key = run.values.key(run.node.operands[1]);
  const TensorInfo there = model.tensor(key);
  const auto K = static_cast<std::size_t>(there.shape[1]), M = static_cast<std::size_t>(there.shape[2]);
  const auto bytes = static_cast<std::size_t>(size_bytes(there.dtype, there.shape[1] * there.shape[2]));
  const std::vector<double> a = numbers_of(x), ids = numbers_of(run.operand(2));
  const std::size_t choices = K == 0 || a.empty() ? 1 : ids.size() / (a.size() / K);
  Bounded all;
  for (std::size_t row = 0; row < ids.size(); ++row) {
    const std::byte* first = model.bytes(key).data() + static_cast<std::size_t>(ids[row]) * bytes;
    const Matrix expert = {there.dtype, first, there.transposed ? M : K, there.transposed ? K : M};
    const auto from = a.begin() + static_cast<std::ptrdiff_t>(row / choices * K);
    const Tensor one(std::vector<double>(from, from + static_cast<std::ptrdiff_t>(K)), {1, there.shape[1]});
    const Bounded y = times_stored(one, expert, there.transposed, run.pool);
    all.value.insert(all.value.end(), y.value.begin(), y.value.end());
    all.error.insert(all.error.end(), y.error.begin(), y.error.end());
  }
  return all;
}

/// A bias is added once to each column.
void add_bias(const std::vector<double>& bias, Bounded& y) {
  for (std::size_t i = 0; i < y.value.size(); ++i) {
    y.value[i] += bias[i % bias.size()];
    y.error[i] += std::abs(bias[i % bias.size()]);
  }
}

/// What rounding to 8-bit blocks does to rows of activations (codegen/kernels/int8_rows.h), element by element.
struct Int8Rounding {
  std::vector<double> change;  // d · q - x
  std::vector<double> slack;   // d where x / d is so near to a half that a device may take the other neighbour
  std::vector<double> size;    // |x| + d
};
Int8Rounding int8_rounding(const std::vector<double>& x) {
  constexpr std::size_t kBlock = 32;
  // A norm's own blocks come from what it has in registers: its sums are within 8·√4096 roundings of f32 of the
  // simulator's, 3e-5 of the element, and an element is at most 127 d.
  constexpr double kNearHalf = 1.0 / 128;
  Int8Rounding r;
  for (std::size_t first = 0; first < x.size(); first += kBlock) {
    double largest = 0;
    bool finite = true;
    for (std::size_t i = first; i < first + kBlock; ++i) {
      largest = std::max(largest, std::abs(x[i]));
      finite = finite && std::isfinite(x[i]);
    }
    const double d = finite ? largest / 127 : std::numeric_limits<double>::infinity();  // NaN on the device
    for (std::size_t i = first; i < first + kBlock; ++i) {
      const double in_units = d > 0 && finite ? x[i] / d : 0;
      const double to_half = std::abs(std::abs(in_units - std::trunc(in_units)) - 0.5);
      r.change.push_back(finite ? d * std::nearbyint(in_units) - x[i] : d);
      r.slack.push_back(to_half < kNearHalf ? d : 0);
      r.size.push_back(std::abs(x[i]) + d);
    }
  }
  return r;
}

/// The exact product and how far one of 8-bit blocks is from it: what rounding x does to it, which is known, ties, and
/// the f32 arithmetic around the integer sums, whose terms are at most 3 · the largest |w| of a group (bytes are up to
/// twice as far from 0 as quants).
Bounded int8_product(const ExactRun& run, const Tensor& x_tensor) {
  const Model& model = *run.values.graph().model;
  const std::string key = run.values.key(run.node.operands[1]);
  const TensorInfo there = model.tensor(key);
  // By rows: logically (K, N), or with transpose_w (N, K).
  const bool turned = transposes(run);
  const auto K = static_cast<std::size_t>(there.shape[turned ? 1 : 0]);
  const auto N = static_cast<std::size_t>(there.shape[turned ? 0 : 1]);
  const Matrix w = {there.dtype, model.bytes(key).data(), N, K};
  const std::vector<double> x = numbers_of(x_tensor);
  const Int8Rounding r = int8_rounding(x);
  const std::size_t M = x.size() / K;
  // Of a norm's own sums 2^-15, as above; of adding up in f32 the usual.
  const double units = 0x1p-15 + (roundings_of_sum(static_cast<std::int64_t>(K)) + kPerTerm) * unit(DType::f32);
  Bounded y = {std::vector<double>(M * N), std::vector<double>(M * N)};
  run.pool.parallel_for(static_cast<std::int64_t>(N), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
      const std::vector<double> b = w.row(n);
      std::vector<double> b_size;
      for (const double element : b) b_size.push_back(std::abs(element));
      const std::vector<double> in_group = of_groups(b_size);
      for (std::size_t m = 0; m < M; ++m) {
        const Sums change = dot(r.change.data() + m * K, r.slack.data() + m * K, b.data(), b_size.data(), K);
        const Sums all = dot(x.data() + m * K, r.size.data() + m * K, b.data(), in_group.data(), K);
        y.value[m * N + n] = all.value;
        y.error[m * N + n] = std::abs(change.value) + change.size + units * all.size;
      }
    }
  });
  return y;
}

/// Of activations: the operator itself, on sizes as well.
Bounded by_values(const ExactRun& run) {
  std::vector<Tensor> operands = operands_of(run);
  Bounded y = {in_f64(run.node, operands), {}};
  for (Tensor& o : operands)
    if (is_float(o.dtype())) o = absolute(o);
  y.error = in_f64(run.node, operands);
  return y;
}

/// Of a product whose operands are rounded to bf16: (1 + u)² - 1 of each term, and 2^-15 as above where a norm gives
/// the rows from what it has in registers, which are f16 only once stored. Numbers below 2^-126 count as 0.
constexpr double kBf16Unit = 0x1p-8, kOfBf16 = 2 * kBf16Unit + kBf16Unit * kBf16Unit + 0x1p-15, kLost = 0x1p-100;

void add_roundings(const Tensor& x, Bounded& y, bool bf16 = false) {
  const double u = x.dtype() == DType::f64 ? 2 * unit(DType::f64) : unit(DType::f32);
  const double units = (roundings_of_sum(x.shape().back()) + kPerTerm) * u;
  const double of_bf16 = kOfBf16 + (x.dtype() == DType::f16 ? unit(DType::f16) : 0);
  for (double& error : y.error) error = bf16 ? error * (units + of_bf16) + kLost : error * units;
}

}  // namespace

Bounded expert_bound(const ExactRun& run) {
  const Tensor x = run.operand(0);
  Bounded y = run.values.is_weight(run.node.operands[1]) ? by_experts(run, x) : by_values(run);
  add_roundings(x, y);
  return y;
}

Bounded product_bound(const ExactRun& run) {
  const Tensor x = run.operand(0);
  Bounded y;
  if (run.int8) {
    y = int8_product(run, x);
    if (run.node.op->name == "linear") {
      const std::vector<double> bias = numbers_of(run.operand(2));
      for (std::size_t i = 0; i < y.value.size(); ++i) {
        y.value[i] += bias[i % bias.size()];
        y.error[i] += kPerTerm * unit(DType::f32) * (std::abs(y.value[i]) + std::abs(bias[i % bias.size()]));
      }
    }
    return y;
  }
  if (run.values.is_weight(run.node.operands[1]) && run.type(1).shape.size() == 2) {
    y = by_weight(run, x);
    if (run.node.op->name == "linear") add_bias(numbers_of(run.operand(2)), y);
  } else {
    y = by_values(run);
  }
  add_roundings(x, y, run.bf16);
  return y;
}

}  // namespace openinfer::check
