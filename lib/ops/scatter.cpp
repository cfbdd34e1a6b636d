// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_scatter(const InferContext& c) {
  const TensorType &x = c.type(0), &ids = c.type(1), &updates = c.type(2);
  if (ids.dtype != i32 && ids.dtype != i64)  // [C1]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("ids are i32 or i64, not {} {}", c.describe(1), ids.to_string()));
  const auto axis = static_cast<std::ptrdiff_t>(axis_in(c, 0, c.integer("axis")));  // [C2]
  check_dtype(c, 0, c.flag("add") ? kNumbers : kPlain);                             // [C3]
  check_equal_dtypes(c, 0, 2);                                                      // [C3]
  Shape wanted(x.shape.begin(), x.shape.begin() + axis);
  wanted.insert(wanted.end(), ids.shape.begin(), ids.shape.end());
  wanted.insert(wanted.end(), x.shape.begin() + axis + 1, x.shape.end());
  if (updates.shape != wanted)  // [C4]
    c.fail(
        ErrorCode::shape_mismatch,
        fmt::format("{} {} is not {}: what {} {} has at {} {} along axis {}", c.describe(2), to_string(updates.shape),
                    to_string(wanted), c.describe(0), to_string(x.shape), c.describe(1), to_string(ids.shape), axis));
  return {x};
}

std::int64_t id_of_scatter(const OpRun& run, std::int64_t j, std::int64_t V) {
  const TensorView ids = run.in(1);
  const std::int64_t id = ids.dtype == i32 ? ids.as<std::int32_t>()[j] : ids.as<std::int64_t>()[j];
  if (id < 0 || id >= V)
    run.fail(ErrorCode::invalid_argument,
             fmt::format("id {} at place {} is outside x, which has {} entries", id, j, V));
  return id;
}

/// Update after update; sums of f16 and bf16 are kept in f32 until all are added.
template <class T>
void scatter_rows(const OpRun& run, const AxisRows& rows, std::int64_t J, bool add, const TensorSpan& y) {
  const T* updates = run.in(2).as<T>();
  std::vector<ComputeOf<T>> sums;
  sums.reserve(static_cast<std::size_t>(add ? y.count() : 0));
  for (std::int64_t i = 0; add && i < y.count(); ++i) sums.push_back(Element<T>::load(y.as<T>()[i]));
  for (std::int64_t j = 0; j < J; ++j) {
    const std::int64_t id = id_of_scatter(run, j, rows.extent);
    for (std::int64_t o = 0; o < rows.outer; ++o)
      for (std::int64_t i = 0; i < rows.inner; ++i) {
        const std::int64_t to = (o * rows.extent + id) * rows.inner + i;
        const T& update = updates[(o * J + j) * rows.inner + i];
        if (!add) {
          y.as<T>()[to] = update;
        } else if constexpr (!std::is_same_v<T, Byte01>) {
          auto& sum = sums[static_cast<std::size_t>(to)];
          sum = sum + Element<T>::load(update);
        }
      }
  }
  for (std::size_t i = 0; i < sums.size(); ++i) y.as<T>()[i] = Element<T>::store(sums[i]);
}

void reference_scatter(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t axis = run.integer("axis"), J = run.in(1).count();
  const AxisRows rows(x.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis));
  if (y.count() > 0) std::memcpy(y.data, x.data, static_cast<std::size_t>(size_bytes(x.dtype, x.count())));
  dispatch<kPlain>(x.dtype,
                   [&](auto tag) { scatter_rows<typename decltype(tag)::Type>(run, rows, J, run.flag("add"), y); });
}

Workspace workspace_scatter(const OpRun& run) {
  const TensorView x = run.in(0);
  return {.shared_bytes = run.flag("add") ? x.count() * (info(x.dtype).bits == 64 ? 8 : 4) : 0};
}

/// An addition for each element that is added.
Cost cost_scatter(const InferContext& c, const DimValue& value) {
  Cost cost = cost_of_elements(c, value, 0);
  if (c.flag("add")) cost.flops = elements_of(c.type(2).shape, value);
  return cost;
}

Value scattered(const In& x, const In& ids, const In& updates, std::int64_t axis, bool add) {
  return call(scatter_op(), {x, ids, updates}, {{"axis", axis}, {"add", add}});
}

}  // namespace

const OpDef& scatter_op() {
  static const OpDef op = {
      .name = "scatter",
      .operands = {{.name = "x"}, {.name = "ids", .shares_dtype = false}, {.name = "updates"}},
      .attributes = {{"axis", AttributeKind::integer, std::int64_t{0}}, {"add", AttributeKind::boolean, false}},
      .infer = infer_scatter,
      .reference = reference_scatter,
      .lower = lower_to_kernel,
      .cost = cost_scatter,
      .workspace = workspace_scatter};
  return op;
}

Value scatter(const In& x, const In& ids, const In& updates, std::int64_t axis) {
  return scattered(x, ids, updates, axis, false);
}
Value scatter_add(const In& x, const In& ids, const In& updates, std::int64_t axis) {
  return scattered(x, ids, updates, axis, true);
}

}  // namespace openinfer
