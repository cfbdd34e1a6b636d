// SPDX-License-Identifier: Apache-2.0
// Reading and writing rows of floats in the type that arithmetic happens in: f32 for f16, bf16 and f32, f64 for f64.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "lib/base/checked.h"
#include "lib/ops/dtypes.h"

namespace openinfer {

/// to[i] = elements [first, first + step·i] of a float tensor, converted.
template <class C>
void load_row(const TensorView& x, std::int64_t first, std::int64_t step, std::span<C> to) {
  dispatch<kFloats>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const T* from = x.as<T>() + first;
    for (std::size_t i = 0; i < to.size(); ++i)
      to[i] = static_cast<C>(Element<T>::load(from[static_cast<std::int64_t>(i) * step]));
  });
}

template <class C>
std::vector<C> load_row(const TensorView& x, std::int64_t count) {
  std::vector<C> row(static_cast<std::size_t>(count));
  load_row<C>(x, 0, 1, row);
  return row;
}

template <class C>
void store_row(const TensorSpan& y, std::int64_t first, std::int64_t step, std::span<const C> from) {
  dispatch<kFloats>(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    T* to = y.as<T>() + first;
    for (std::size_t i = 0; i < from.size(); ++i)
      to[static_cast<std::int64_t>(i) * step] = Element<T>::store(static_cast<ComputeOf<T>>(from[i]));
  });
}

/// f(Tag<C>{}) with the type that sums of `dtype` are made in.
template <class F>
void with_sum_type(DType dtype, F f) {
  if (dtype == DType::f64)
    f(Tag<double>{});
  else
    f(Tag<float>{});
}

/// How a tensor looks along one axis: `outer` · `inner` rows of `extent` elements, `inner` apart. An empty tensor has
/// no rows, whatever its other extents are: their product may be beyond every integer.
struct AxisRows {
  std::int64_t outer = 1, extent = 1, inner = 1;
  AxisRows(const Extents& shape, std::size_t axis) : extent(shape[axis]) {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) outer = inner = 0;
    for (std::size_t d = 0; d < axis; ++d) outer = checked_multiply(outer, shape[d]);
    for (std::size_t d = axis + 1; d < shape.size(); ++d) inner = checked_multiply(inner, shape[d]);
  }
  std::int64_t count() const { return outer * inner; }
  std::int64_t first(std::int64_t row) const { return row / inner * extent * inner + row % inner; }
};

/// Rows that are worth a thread: about as many elements as an elementwise grain.
inline std::int64_t row_grain(std::int64_t row_length) { return 1 + 8192 / (row_length + 1); }

}  // namespace openinfer
