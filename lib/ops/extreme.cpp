// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/extreme.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/workspace.h"

#include <fmt/format.h>

#include "lib/ops/lower.h"
#include "lib/ops/shapes.h"

namespace openinfer {

template <bool kLargest>
void reference_extreme(OpRun& run) {
  if (run.in(0).count() == 0 && run.out(0).count() != 0)  // [C3]
    run.fail(ErrorCode::invalid_argument, fmt::format("no elements to take the {} of: x is {}",
                                                      kLargest ? "largest" : "smallest", to_string(run.in(0).shape)));
  if constexpr (kLargest)
    reduce<kNumbers, LargestFold>(run);
  else
    reduce<kNumbers, SmallestFold>(run);
}
template void reference_extreme<true>(OpRun& run);
template void reference_extreme<false>(OpRun& run);

namespace {

std::vector<TensorType> infer_place(const InferContext& c) {
  TensorType result{DType::i32, c.type(0).shape};
  const std::size_t axis = axis_in(c, 0, c.integer("axis"));  // [C1]
  check_dtype(c, 0, kNumbers);                                // [C2]
  if (c.flag("keepdims"))
    result.shape[axis] = 1;
  else
    result.shape.erase(result.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return {result};
}

/// Position of the first (or last) furthest of `extent` elements, `step` apart; a NaN counts as furthest.
template <bool kLargest, class T>
std::int32_t place_of(const T* x, std::int64_t extent, std::int64_t step, bool first) {
  std::int64_t at = 0;
  auto best = Element<T>::load(x[0]);
  for (std::int64_t i = 1; i < extent; ++i) {
    const auto value = Element<T>::load(x[i * step]);
    const bool equal = value == best || (value != value && best != best);
    if (best == best ? is_further<kLargest>(best, value) || (equal && !first) : equal && !first) at = i, best = value;
  }
  return static_cast<std::int32_t>(at);
}

template <bool kLargest>
void reference_place(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const std::int64_t axis = run.integer("axis");
  const AxisRows rows(x.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(x.shape) : axis));
  if (rows.extent == 0 && y.count() != 0)  // [C3]
    run.fail(ErrorCode::invalid_argument, fmt::format("no elements to take the {} of along axis {}: x is {}",
                                                      kLargest ? "largest" : "smallest", axis, to_string(x.shape)));
  const bool first = run.flag("select_first");
  dispatch<kNumbers>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    run.parallel_for(rows.count(), row_grain(rows.extent), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        y.as<std::int32_t>()[r] = place_of<kLargest>(x.as<T>() + rows.first(r), rows.extent, rows.inner, first);
    });
  });
}

}  // namespace

OpDef place_of_extreme(std::string_view name, bool largest) {
  return {.name = name,
          .operands = {{.name = "x"}},
          .attributes = {{"axis", AttributeKind::integer, std::int64_t{-1}},
                         {"keepdims", AttributeKind::boolean, false},
                         {"select_first", AttributeKind::boolean, true}},
          .traits = {.reduction = true},
          .infer = infer_place,
          .reference = largest ? reference_place<true> : reference_place<false>,
          .lower = lower_to_kernel,
          .cost = row_cost<1>,
          .workspace = no_workspace};
}

}  // namespace openinfer
