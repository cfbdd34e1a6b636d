// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/product.h"

#include <fmt/format.h>

#include <algorithm>

#include "lib/base/dot.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "lib/ops/stored.h"

namespace openinfer {
namespace {

/// What is exact in f32, or a float.
bool is_weight_dtype(DType d) {
  const DTypeInfo& row = info(d);
  return is_float(d) || is_block(d) || row.kind == DTypeKind::ternary || (is_int(d) && row.bits <= 8);
}

/// The extents of one run. Matrices of x and w are picked per batch by their own leading dimensions.
struct Problem {
  std::int64_t batches = 1, M = 1, N = 1, K = 1;
  Extents leading;  // of the result, innermost last
  Extents x_leading, w_leading;
  bool w_rows_are_columns = false;  // stored rows run along k: dot products of stored rows
};

std::int64_t batch_of(const Problem& p, const Extents& own, std::int64_t batch) {
  std::int64_t index = 0, factor = 1;
  for (std::size_t d = p.leading.size(); d-- > 0;) {
    const std::int64_t at = batch % p.leading[d];
    batch /= p.leading[d];
    const std::size_t missing = p.leading.size() - own.size();
    if (d < missing) continue;
    const std::int64_t extent = own[d - missing];
    index += (extent == 1 ? 0 : at) * factor;
    factor *= extent;
  }
  return index;
}

Problem problem_of(const OpRun& run, bool transpose_w) {
  const TensorView x = run.in(0), w = run.in(1);
  Problem p;
  p.K = x.shape.back();
  p.N = w.shape[w.shape.size() - (transpose_w ? 2 : 1)];
  p.w_rows_are_columns = w.transposed != transpose_w;
  p.w_leading.assign(w.shape.begin(), w.shape.end() - 2);
  if (p.w_leading.empty()) {  // one matrix for every row of x
    for (std::size_t d = 0; d + 1 < x.shape.size(); ++d) p.M *= x.shape[d];
    return p;
  }
  if (x.shape.size() > 1) {
    p.M = x.shape[x.shape.size() - 2];
    p.x_leading.assign(x.shape.begin(), x.shape.end() - 2);
  }
  p.leading = p.x_leading;
  broadcast_into(p.leading, p.w_leading);
  p.batches = element_count(p.leading);
  return p;
}

/// All rows of x in Acc, padded to whole groups of sixteen; x itself where it already is that.
template <class Acc>
class PaddedRows {
 public:
  PaddedRows(const OpRun& run, const TensorView& x, std::int64_t K) : stride_(padded16(K)) {
    if (x.dtype == dtype_of<Acc>() && stride_ == K) {
      data_ = x.as<Acc>();
      return;
    }
    const std::int64_t rows = K == 0 ? 0 : x.count() / K;
    storage_.resize(static_cast<std::size_t>(rows * stride_));
    data_ = storage_.data();
    run.parallel_for(rows, row_grain(K), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        load_row<Acc>(x, r * K, 1, {storage_.data() + r * stride_, static_cast<std::size_t>(K)});
    });
  }
  Rows<Acc> rows(std::int64_t first, std::int64_t count) const { return {data_ + first * stride_, count, stride_}; }

 private:
  std::int64_t stride_;
  const Acc* data_ = nullptr;
  std::vector<Acc> storage_;
};

/// One thread's tile of w: some columns n, each a row of padded16(K) elements.
template <class Acc>
class WeightTile {
 public:
  WeightTile(const OpRun& run, const Problem& p)
      : run_(run),
        p_(p),
        m_(run.in(1)),
        stride_(padded16(p.K)),
        storage_(static_cast<std::size_t>(width(p) * stride_)) {}

  /// Columns of a tile: half of a first-level cache, whole blocks where rows must be transposed.
  static std::int64_t width(const Problem& p) {
    constexpr std::int64_t kTileBytes = 24 << 10;
    if (!p.w_rows_are_columns) return 64;
    const std::int64_t fit = kTileBytes / (padded16(p.K) * static_cast<std::int64_t>(sizeof(Acc)) + 1) / 4 * 4;
    return std::clamp<std::int64_t>(fit, 4, 64);
  }

  Rows<Acc> load(std::int64_t matrix, std::int64_t first, std::int64_t count) {
    if (!p_.w_rows_are_columns) {
      decode_columns(run_, 1, m_, matrix * p_.K, p_.K, first, first + count, storage_.data(), stride_);
      return {storage_.data(), count, stride_};
    }
    const std::int64_t row = matrix * p_.N + first;
    if (m_.dtype == dtype_of<Acc>() && stride_ == p_.K && p_.K > 0)
      return {reinterpret_cast<const Acc*>(run_.stored_rows(1, row, count)), count, stride_};
    decode_rows(run_, 1, m_, row, count, storage_.data(), stride_);
    return {storage_.data(), count, stride_};
  }

 private:
  const OpRun& run_;
  const Problem& p_;
  StoredMatrix m_;
  std::int64_t stride_;
  std::vector<Acc> storage_;
};

template <class Acc>
void run_in(OpRun& run, const Problem& p, std::size_t bias) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  if (y.count() == 0) return;
  const PaddedRows<Acc> padded(run, x, p.K);
  const std::vector<Acc> b = bias ? load_row<Acc>(run.in(bias), p.N) : std::vector<Acc>();
  const bool direct = y.dtype == dtype_of<Acc>() && !bias;
  const std::int64_t width = WeightTile<Acc>::width(p), tiles = (p.N + width - 1) / width;
  const std::int64_t grain = 1 + (1 << 16) / (width * (p.K + 1) * (p.M + 2));
  run.parallel_for(p.batches * tiles, grain, [&](std::int64_t begin, std::int64_t end) {
    WeightTile<Acc> tile(run, p);
    std::vector<Acc> sums(static_cast<std::size_t>(direct ? 0 : p.M * width));
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t batch = unit / tiles, n = unit % tiles * width, count = std::min(width, p.N - n);
      const Rows<Acc> w = tile.load(batch_of(p, p.w_leading, batch), n, count);
      const Rows<Acc> rows = padded.rows(batch_of(p, p.x_leading, batch) * p.M, p.M);
      const std::int64_t first = batch * p.M * p.N + n;
      if (direct) {
        dot_tile(rows, w, padded16(p.K), y.as<Acc>() + first, p.N);
        continue;
      }
      dot_tile(rows, w, padded16(p.K), sums.data(), width);
      for (std::int64_t m = 0; m < p.M; ++m) {
        Acc* row = sums.data() + m * width;
        if (bias)
          for (std::int64_t i = 0; i < count; ++i) row[i] += b[static_cast<std::size_t>(n + i)];
        store_row<Acc>(y, first + m * p.N, 1, {row, static_cast<std::size_t>(count)});
      }
    }
  });
}

template <class Acc>
void run_experts_in(OpRun& run, const Problem& p, const ExpertRows& experts, std::int64_t sharing) {
  const TensorSpan y = run.out(0);
  if (y.count() == 0) return;
  const PaddedRows<Acc> padded(run, run.in(0), p.K);
  std::vector<std::int64_t> chosen;
  for (std::size_t e = 0; e < experts.size(); ++e)
    if (!experts[e].empty()) chosen.push_back(static_cast<std::int64_t>(e));
  const std::int64_t width = WeightTile<Acc>::width(p), tiles = (p.N + width - 1) / width;
  run.parallel_for(std::ssize(chosen) * tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    WeightTile<Acc> tile(run, p);
    std::vector<Acc> sums(static_cast<std::size_t>(width));
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t expert = chosen[static_cast<std::size_t>(unit / tiles)];
      const std::int64_t n = unit % tiles * width, count = std::min(width, p.N - n);
      const Rows<Acc> w = tile.load(expert, n, count);
      for (const std::int64_t row : experts[static_cast<std::size_t>(expert)]) {
        dot_tile(padded.rows(row / sharing, 1), w, padded16(p.K), sums.data(), width);
        store_row<Acc>(y, row * p.N + n, 1, {sums.data(), static_cast<std::size_t>(count)});
      }
    }
  });
}

template <class Acc>
Workspace workspace_in(const OpRun& run, const Problem& p, std::size_t bias) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(Acc));
  const TensorView x = run.in(0);
  const StoredMatrix m(run.in(1));
  const std::int64_t rows = p.K == 0 ? 0 : x.count() / p.K, stride = padded16(p.K), width = WeightTile<Acc>::width(p);
  Workspace space;
  space.shared_bytes = (rows * stride + (bias ? p.N : 0)) * kSize;
  space.per_thread_bytes = (width * stride + p.M * width) * kSize;
  if (p.w_rows_are_columns) {
    space.stored_rows_bytes = std::min(width, p.N) * m.row_bytes;
    return space;
  }
  space.per_thread_bytes += (width + 2 * info(m.dtype).block_size) * kSize;
  space.stored_rows_bytes = std::min(kRowsAtOnce, p.K) * m.row_bytes;
  return space;
}

}  // namespace

void check_product_dtypes(const InferContext& c) {
  const TensorType &x = c.type(0), &w = c.type(1);
  check_dtype(c, 0, kFloats);
  if (!is_weight_dtype(w.dtype) || (w.dtype == f64 && x.dtype != f64))
    c.fail(ErrorCode::dtype_mismatch, fmt::format("{} {} cannot be multiplied with {} {}; cast it", c.describe(1),
                                                  w.to_string(), c.describe(0), x.to_string()));
}

Workspace product_workspace(const OpRun& run, bool transpose_w, std::size_t bias) {
  const Problem p = problem_of(run, transpose_w);
  Workspace space;
  with_sum_type(run.in(0).dtype, [&](auto tag) { space = workspace_in<typename decltype(tag)::Type>(run, p, bias); });
  return space;
}

TensorType infer_product(const InferContext& c, bool transpose_w) {
  const TensorType &x = c.type(0), &w = c.type(1);
  if (x.shape.empty() || w.shape.size() < 2)  // [C3]
    c.fail(ErrorCode::shape_mismatch, fmt::format("takes x (…, K) and w (…, K, N), not {} {} and {} {}", c.describe(0),
                                                  to_string(x.shape), c.describe(1), to_string(w.shape)));
  const std::size_t rank = w.shape.size();
  const Dim& K = w.shape[rank - (transpose_w ? 1 : 2)];
  const Dim& N = w.shape[rank - (transpose_w ? 2 : 1)];
  if (x.shape.back() != K)  // [C1]
    c.fail(ErrorCode::shape_mismatch, fmt::format("K differs: lhs {} vs rhs {}{} {}", to_string(x.shape),
                                                  to_string(w.shape), transpose_w ? " transposed" : "", c.describe(1)));
  check_product_dtypes(c);  // [C2]
  const bool has_rows = x.shape.size() > 1;
  Shape leading(x.shape.begin(), x.shape.end() - (has_rows ? 2 : 1));
  const Shape w_leading(w.shape.begin(), w.shape.end() - 2);
  if (broadcast_into(leading, w_leading))  // [C3]
    c.fail(ErrorCode::shape_mismatch, fmt::format("leading dimensions do not broadcast: {} {} and {} {}", c.describe(0),
                                                  to_string(x.shape), c.describe(1), to_string(w.shape)));
  TensorType result{x.dtype, std::move(leading)};
  if (has_rows) result.shape.push_back(x.shape[x.shape.size() - 2]);
  result.shape.push_back(N);
  return result;
}

void run_product(OpRun& run, bool transpose_w, std::size_t bias) {
  const Problem p = problem_of(run, transpose_w);
  with_sum_type(run.in(0).dtype, [&](auto tag) { run_in<typename decltype(tag)::Type>(run, p, bias); });
}

namespace {

/// Of one row and one expert.
Problem expert_problem_of(const OpRun& run) {
  const TensorView w = run.in(1);
  Problem p;
  p.K = w.shape[1], p.N = w.shape[2];
  p.w_rows_are_columns = w.transposed;
  return p;
}

}  // namespace

Workspace expert_product_workspace(const OpRun& run) {
  const Problem p = expert_problem_of(run);
  Workspace space;
  with_sum_type(run.in(0).dtype, [&](auto tag) { space = workspace_in<typename decltype(tag)::Type>(run, p, 0); });
  return space;
}

void run_expert_product(OpRun& run, const ExpertRows& rows, std::int64_t sharing) {
  const Problem p = expert_problem_of(run);
  with_sum_type(run.in(0).dtype,
                [&](auto tag) { run_experts_in<typename decltype(tag)::Type>(run, p, rows, sharing); });
}

Cost product_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value, bool transpose_w) {
  const auto elements = [&](const Shape& shape) {
    double n = 1;
    for (const Dim& d : shape) n *= static_cast<double>(value(d));
    return n;
  };
  const TensorType y = infer_product(c, transpose_w);
  double bytes = elements(y.shape) * info(y.dtype).block_bytes;
  for (std::size_t i = 0; i < c.operand_count(); ++i) {
    const DTypeInfo& row = info(c.type(i).dtype);
    bytes += elements(c.type(i).shape) / row.block_size * row.block_bytes;
  }
  return {bytes, 2 * elements(y.shape) * static_cast<double>(value(c.type(0).shape.back()))};
}

}  // namespace openinfer
