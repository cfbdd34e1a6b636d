// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "lib/base/dot.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/row_cost.h"
#include "lib/ops/wide.h"

namespace openinfer {
namespace {

constexpr double kGroupNormEps = 1e-5;

std::vector<TensorType> infer_group_norm(const InferContext& c) {
  const Shape& x = c.type(0).shape;
  const std::int64_t groups = c.integer("groups");
  if (x.size() < 2 || !x[1].is_constant() || groups < 1 || x[1].constant() % groups != 0)  // [C1]
    c.fail(ErrorCode::shape_mismatch,
           fmt::format("{} {} is not (N, C, …) with C a multiple of {} groups", c.describe(0), to_string(x), groups));
  for (std::size_t i = 1; i < 3; ++i)
    if (c.type(i).shape != Shape{x[1]})  // [C2]
      c.fail(ErrorCode::shape_mismatch,
             fmt::format("{} {} is not {}, the channels of {} {}", c.describe(i), to_string(c.type(i).shape),
                         to_string(Shape{x[1]}), c.describe(0), to_string(x)));
  for (std::size_t i = 0; i < 3; ++i) check_dtype(c, i, kFloats);  // [C3]
  return {c.type(0)};
}

/// `x`: one group, channel after channel.
template <class C>
void normalise_group(std::span<C> x, const C* w, const C* b, std::size_t channels, C eps) {
  const std::int64_t n = std::ssize(x);
  const C mean = sum16(x.data(), n) / static_cast<C>(n);
  for (C& value : x) value -= mean;
  const C variance = sum16_of<C>(n, [&](std::int64_t i) { return x[i] * x[i]; }) / static_cast<C>(n);
  const C scale = C(1) / std::sqrt(variance + eps);
  const std::size_t positions = x.size() / channels;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * scale * w[i / positions] + b[i / positions];
}

void reference_group_norm(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  if (x.count() == 0) return;
  const std::int64_t groups = run.integer("groups"), channels = x.shape[1] / groups;
  const std::int64_t rows = x.shape[0] * groups, length = x.count() / rows;
  with_sum_type(x.dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    const std::vector<C> w = load_row<C>(run.in(1), run.in(1).count()), b = load_row<C>(run.in(2), run.in(2).count());
    const C eps = static_cast<C>(run.number("eps"));
    run.parallel_for(rows, row_grain(length), [&](std::int64_t begin, std::int64_t end) {
      std::vector<C> row(static_cast<std::size_t>(length));
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t first = r % groups * channels;
        load_row<C>(x, r * length, 1, row);
        normalise_group<C>(row, w.data() + first, b.data() + first, static_cast<std::size_t>(channels), eps);
        store_row<C>(y, r * length, 1, row);
      }
    });
  });
}

/// w and b; a group of each thread.
Workspace workspace_group_norm(const OpRun& run) {
  const TensorView x = run.in(0);
  const std::int64_t size = x.dtype == DType::f64 ? 8 : 4, rows = x.shape[0] * run.integer("groups");
  return {.shared_bytes = 2 * x.shape[1] * size, .per_thread_bytes = rows == 0 ? 0 : x.count() / rows * size};
}

std::vector<Value> decompose_group_norm(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  const std::int64_t groups = std::get<std::int64_t>(*attributes.find("groups"));
  const Attribute* eps = attributes.find("eps");
  return computed_wide(operands, [&](const Value& x) {
    const Shape whole = x.shape();
    const Dim channels = whole[1].constant() / groups;
    Shape grouped = {whole[0], groups, channels}, one_each = {groups, channels};
    grouped.insert(grouped.end(), whole.begin() + 2, whole.end());
    one_each.resize(grouped.size() - 1, 1);
    Over over = {.axes = {}, .keepdims = true};
    for (std::size_t d = 2; d < grouped.size(); ++d) over.axes.push_back(static_cast<std::int64_t>(d));
    const Value rows = reshape(x, grouped), centred = rows - mean(rows, over);
    const Value scale = rsqrt(mean(centred * centred, over) + (eps ? std::get<double>(*eps) : kGroupNormEps));
    const Value w = reshape(cast(*operands[1], x.dtype()), one_each),
                b = reshape(cast(*operands[2], x.dtype()), one_each);
    return reshape(centred * scale * w + b, whole);
  });
}

}  // namespace

const OpDef& group_norm_op() {
  static const OpDef op = {
      .name = "group_norm",
      .operands = {{.name = "x"}, {.name = "w"}, {.name = "b"}},
      .attributes = {{"groups", AttributeKind::integer, {}}, {"eps", AttributeKind::number, kGroupNormEps}},
      .infer = infer_group_norm,
      .reference = reference_group_norm,
      .decompose = decompose_group_norm,
      .lower = lower_to_kernel,
      .cost = row_cost<7>,
      .workspace = workspace_group_norm};
  return op;
}

Value group_norm(const In& x, std::int64_t groups, const In& w, const In& b, double eps) {
  return call(group_norm_op(), {x, w, b}, {{"groups", groups}, {"eps", eps}});
}
Pipe group_norm(std::int64_t groups, const In& w, const In& b, double eps) {
  return pipe(group_norm_op(), {w, b}, {{"groups", groups}, {"eps", eps}});
}

}  // namespace openinfer
