// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/order.h"

#include <algorithm>
#include <numeric>

#include "lib/ops/rows.h"

namespace openinfer {
namespace {

template <class C>
bool precedes_in_order(C a, C b) {
  return a < b || (b != b && a == a);
}

/// The places of the first `count` elements of a row in order.
template <class T>
std::vector<std::int32_t> places_in_order(const T* x, const AxisRows& rows, std::int64_t count, bool descending) {
  const auto element = [&](std::int32_t at) { return Element<T>::load(x[at * rows.inner]); };
  std::vector<std::int32_t> places(static_cast<std::size_t>(rows.extent));
  std::iota(places.begin(), places.end(), 0);
  std::partial_sort(places.begin(), places.begin() + count, places.end(), [&](std::int32_t a, std::int32_t b) {
    const auto p = element(descending ? b : a), q = element(descending ? a : b);
    return precedes_in_order(p, q) || (!precedes_in_order(q, p) && a < b);
  });
  places.resize(static_cast<std::size_t>(count));
  return places;
}

}  // namespace

void take_in_order(OpRun& run, bool descending) {
  const TensorView x = run.in(0);
  const TensorSpan values = run.out(0), indices = run.out(1);
  const std::int64_t given = run.integer("axis");
  const auto axis = static_cast<std::size_t>(given < 0 ? given + std::ssize(x.shape) : given);
  const AxisRows rows(x.shape, axis), taken(values.shape, axis);
  dispatch<kNumbers>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    run.parallel_for(taken.count(), row_grain(rows.extent), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* row = x.as<T>() + rows.first(r);
        std::int64_t to = taken.first(r);
        for (const std::int32_t at : places_in_order(row, rows, taken.extent, descending)) {
          values.as<T>()[to] = row[at * rows.inner];
          indices.as<std::int32_t>()[to] = at;
          to += taken.inner;
        }
      }
    });
  });
}

Workspace order_workspace(const OpRun& run) {
  const TensorView x = run.in(0);
  const std::int64_t axis = run.integer("axis");
  return {.per_thread_bytes = x.shape[static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis)] * 4};
}

}  // namespace openinfer
