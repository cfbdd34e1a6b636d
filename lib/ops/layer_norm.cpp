// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/norm.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_layer_norm(const InferContext& c) {
  check_norm(c);
  return {c.type(0)};
}

template <class C>
void normalise_layer_norm(std::span<C> x, const std::vector<C>& w, const std::vector<C>& b, C eps) {
  const auto D = static_cast<std::int64_t>(x.size());
  const C mean = sum16(x.data(), D) / static_cast<C>(D);
  for (C& value : x) value -= mean;
  const C variance = sum16_of<C>(D, [&](std::int64_t i) { return x[i] * x[i]; }) / static_cast<C>(D);
  const C scale = C(1) / std::sqrt(variance + eps);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * scale * w[i];
  for (std::size_t i = 0; i < b.size(); ++i) x[i] += b[i];
}

void reference_layer_norm(OpRun& run) {
  with_sum_type(run.in(0).dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    const std::vector<C> w = load_row<C>(run.in(1), run.in(1).count());
    const std::vector<C> b = run.has(2) ? load_row<C>(run.in(2), run.in(2).count()) : std::vector<C>();
    const C eps = static_cast<C>(run.number("eps"));
    for_each_norm_row<C>(run, [&](std::span<C> x) { normalise_layer_norm<C>(x, w, b, eps); });
  });
}

}  // namespace

const OpDef& layer_norm_op() {
  static const OpDef op = {
      .name = "layer_norm",
      .operands = {{.name = "x"}, {.name = "w"}, {.name = "b", .presence = OperandSpec::Presence::optional}},
      .attributes = {{"eps", AttributeKind::number, 1e-5}},
      .infer = infer_layer_norm,
      .reference = reference_layer_norm,
      .lower = lower_to_kernel,
      .cost = norm_cost,
      .workspace = norm_workspace};
  return op;
}

Value layer_norm(const In& x, const In& w, const OptionalIn& b, double eps) {
  return call(layer_norm_op(), {x, w, b}, {{"eps", eps}});
}
Pipe layer_norm(const In& w, const OptionalIn& b, double eps) { return pipe(layer_norm_op(), {w, b}, {{"eps", eps}}); }

}  // namespace openinfer
