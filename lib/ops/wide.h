// SPDX-License-Identifier: Apache-2.0
// Operators that decompose into several: f16 and bf16 are f32 on the way and rounded once at the end, as in their
// references.
#pragma once

#include <algorithm>

#include "lib/ops/rows.h"
#include "openinfer/ops.h"

namespace openinfer {

/// The dtype that sums of `dtype` are made in.
inline DType sum_dtype(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

/// f(operand 0 in the dtype of its sums), in operand 0's dtype.
template <class F>
std::vector<Value> computed_wide(const std::vector<OptionalIn>& operands, F f) {
  const DType dtype = std::get<Value>(operands[0]->operand()).dtype();
  return {cast(f(cast(*operands[0], sum_dtype(dtype))), dtype)};
}

/// Is the extent of an axis that is folded known to be 0?
inline bool folds_nothing(const Value& x, const Over& over) {
  const Shape shape = x.shape();
  const auto is_empty = [&](std::int64_t axis) {
    return shape[static_cast<std::size_t>(axis < 0 ? axis + std::ssize(shape) : axis)] == Dim(0);
  };
  if (over.axes.empty()) return std::find(shape.begin(), shape.end(), Dim(0)) != shape.end();
  return std::any_of(over.axes.begin(), over.axes.end(), is_empty);
}

/// Each row along the attribute `axis` of operand 0: f(std::span<C>) changes it in place, in the type of its sums.
template <class F>
void change_rows(OpRun& run, F f) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t axis = run.integer("axis");
  const AxisRows rows(x.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis));
  with_sum_type(x.dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    run.parallel_for(rows.count(), row_grain(rows.extent), [&](std::int64_t begin, std::int64_t end) {
      std::vector<C> row(static_cast<std::size_t>(rows.extent));
      for (std::int64_t r = begin; r < end; ++r) {
        load_row<C>(x, rows.first(r), rows.inner, row);
        f(std::span<C>(row));
        store_row<C>(y, rows.first(r), rows.inner, row);
      }
    });
  });
}

}  // namespace openinfer
