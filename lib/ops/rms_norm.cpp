// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/norm.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_rms_norm(const InferContext& c) {
  check_norm(c);
  return {c.type(0)};
}

template <class C>
void normalise_rms_norm(std::span<C> x, const std::vector<C>& w, C eps) {
  const auto D = static_cast<std::int64_t>(x.size());
  const C squares = sum16_of<C>(D, [&](std::int64_t i) { return x[i] * x[i]; });
  const C scale = C(1) / std::sqrt(squares / static_cast<C>(D) + eps);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * scale * w[i];
}

void reference_rms_norm(OpRun& run) {
  with_sum_type(run.in(0).dtype, [&](auto tag) {
    using C = typename decltype(tag)::Type;
    const std::vector<C> w = load_row<C>(run.in(1), run.in(1).count());
    const C eps = static_cast<C>(run.number("eps"));
    for_each_norm_row<C>(run, [&](std::span<C> x) { normalise_rms_norm<C>(x, w, eps); });
  });
}

}  // namespace

const OpDef& rms_norm_op() {
  static const OpDef op = {.name = "rms_norm",
                           .operands = {{.name = "x"}, {.name = "w"}},
                           .attributes = {{"eps", AttributeKind::number, 1e-5}},
                           .infer = infer_rms_norm,
                           .reference = reference_rms_norm,
                           .lower = lower_to_kernel,
                           .cost = norm_cost,
                           .workspace = norm_workspace};
  return op;
}

Value rms_norm(const In& x, const In& w, double eps) { return call(rms_norm_op(), {x, w}, {{"eps", eps}}); }
Pipe rms_norm(const In& w, double eps) { return pipe(rms_norm_op(), {w}, {{"eps", eps}}); }

}  // namespace openinfer
