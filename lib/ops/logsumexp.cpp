// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/truth.h"
#include "lib/ops/wide.h"

namespace openinfer {
namespace {

/// log Σ e^(x - m) + m, where m is the largest; if that is no finite number, 0: what is left says it itself.
template <class C>
class LogSumExpFold {
 public:
  void add(std::span<const C> x) { all_.insert(all_.end(), x.begin(), x.end()); }
  C result(std::int64_t) const {
    C largest = -std::numeric_limits<C>::infinity();
    for (const C value : all_)
      if (largest < value || value != value) largest = value;
    if (!std::isfinite(largest)) largest = 0;
    const C sum = sum16_of<C>(std::ssize(all_),
                              [&](std::int64_t i) { return std::exp(all_[static_cast<std::size_t>(i)] - largest); });
    return std::log(sum) + largest;
  }

 private:
  std::vector<C> all_;
};

/// All elements behind a result, in a vector that grows: twice what it holds, and what it held before.
Workspace workspace_logsumexp(const OpRun& run) {
  const std::int64_t elements = Reduction(run).elements();
  return {.per_thread_bytes =
              (std::min(kFedAtOnce, elements) + 3 * elements) * (run.in(0).dtype == DType::f64 ? 8 : 4)};
}

std::vector<Value> decompose_logsumexp(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  const Over over = over_of(attributes);
  return computed_wide(operands, [&](const Value& x) {
    if (folds_nothing(x, over)) return log(sum(exp(x), over));  // there is no largest
    const Value largest = max(x, {.axes = over.axes, .keepdims = true});
    const Value away = select(is_finite(largest), largest, 0);
    const Value total = log(sum(exp(x - away), over));
    return total + reshape(away, total.shape());
  });
}

}  // namespace

const OpDef& logsumexp_op() {
  static const OpDef op = [] {
    OpDef made = reduction("logsumexp", infer_reduction<kFloats>, reduce<kFloats, LogSumExpFold>);
    made.decompose = decompose_logsumexp;
    made.workspace = workspace_logsumexp;
    return made;
  }();
  return op;
}

Value logsumexp(const In& x, Over over) { return call(logsumexp_op(), {x}, attributes_of(over)); }
Pipe logsumexp(Over over) { return pipe(logsumexp_op(), {}, attributes_of(over)); }

}  // namespace openinfer
