// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/reduce.h"

#include <fmt/format.h>

#include "lib/ops/lower.h"
#include "lib/ops/shapes.h"

namespace openinfer {
namespace {

/// reduced[d]: whether dimension d goes.
std::vector<bool> reduced_dims(const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<bool> reduced(rank, axes.empty());
  for (std::int64_t axis : axes)
    reduced[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis)] = true;
  return reduced;
}

}  // namespace

TensorType reduced_type(const InferContext& c) {
  const TensorType& x = c.type(0);
  const auto axes = numbers(c, "axes");
  std::vector<bool> seen(x.shape.size(), false);
  for (std::int64_t axis : axes) {
    const std::size_t d = axis_in(c, 0, axis);  // [C1]
    if (seen[d])                                // [C1]
      c.fail(ErrorCode::invalid_argument,
             fmt::format("axis {} of {} {} is named twice", axis, c.describe(0), to_string(x.shape)));
    seen[d] = true;
  }
  const auto reduced = reduced_dims(axes, x.shape.size());
  TensorType result{x.dtype, {}};
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    if (!reduced[d])
      result.shape.push_back(x.shape[d]);
    else if (c.flag("keepdims"))
      result.shape.push_back(1);
  }
  return result;
}

namespace {

Cost reduction_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value) {
  const auto count = [&](const Shape& shape) {
    double n = 1;
    for (const Dim& d : shape) n *= static_cast<double>(value(d));
    return n;
  };
  const double elements = count(c.type(0).shape);
  const TensorType result = c.op().infer(c).front();
  return {elements * info(c.type(0).dtype).block_bytes + count(result.shape) * info(result.dtype).block_bytes,
          elements};
}

/// What feed() hands out at once.
Workspace reduction_workspace(const OpRun& run) {
  return {.per_thread_bytes = std::min(kFedAtOnce, Reduction(run).elements()) * 8};
}

}  // namespace

OpDef reduction(std::string_view name, InferFn infer, ReferenceFn reference) {
  return {.name = name,
          .operands = {{.name = "x"}},
          .attributes = {{"axes", AttributeKind::dims, Shape{}}, {"keepdims", AttributeKind::boolean, false}},
          .traits = {.reduction = true},
          .infer = infer,
          .reference = reference,
          .lower = lower_to_kernel,
          .cost = reduction_cost,
          .workspace = reduction_workspace};
}

Attributes attributes_of(const Over& over) {
  return {{"axes", Shape(over.axes.begin(), over.axes.end())}, {"keepdims", over.keepdims}};
}

Reduction::Reduction(const OpRun& run) {
  const Extents shape = run.in(0).shape;
  std::vector<std::int64_t> axes;
  for (const Dim& d : run.dims("axes")) axes.push_back(d.constant());
  const auto reduced = reduced_dims(axes, shape.size());
  if (run.in(0).count() == 0) return;  // the steps may be beyond every integer
  elements_ = 1;
  std::vector<Level> levels;
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0; step *= shape[d]) {
    if (!reduced[d]) {
      kept_.push_back({shape[d], step});
      continue;
    }
    elements_ *= shape[d];
    if (!levels.empty() && levels.back().step * levels.back().extent == step)
      levels.back().extent *= shape[d];
    else
      levels.push_back({shape[d], step});
  }
  if (levels.empty()) return;
  run_ = levels.front();
  outer_.assign(levels.begin() + 1, levels.end());
}

std::int64_t Reduction::base(std::int64_t result) const {
  std::int64_t base = 0;
  for (const auto& [extent, step] : kept_) {
    base += result % extent * step;
    result /= extent;
  }
  return base;
}

void Reduction::Walk::next() {
  for (std::size_t d = 0; d < outer_.size(); ++d) {
    place_ += outer_[d].step;
    if (++at_[d] < outer_[d].extent) return;
    place_ -= outer_[d].extent * outer_[d].step;
    at_[d] = 0;
  }
}

}  // namespace openinfer
