// SPDX-License-Identifier: Apache-2.0
// What sum, mean and reduce_max share: axes, result type, and the walk that hands over the elements behind each result.
#pragma once

#include <vector>

#include "lib/ops/dtypes.h"
#include "lib/ops/rows.h"
#include "openinfer/ops.h"

namespace openinfer {

/// The result of reducing operand 0 over the attributes `axes` (none: all) and `keepdims`.
/// Errors: invalid_argument [C1] for an axis outside or named twice.
std::vector<TensorType> infer_reduction(const InferContext& c);
Cost reduction_cost(const InferContext& c, const std::function<std::int64_t(const Dim&)>& value);
Attributes attributes_of(const Over& over);

/// Result r covers the elements base(r) + within[0], base(r) + within[1], …: row-major over the reduced dimensions.
class Reduction {
 public:
  explicit Reduction(const OpRun& run);
  const std::vector<std::int64_t>& within() const { return within_; }
  std::int64_t base(std::int64_t result) const;
  std::int64_t results() const { return results_; }

 private:
  std::vector<std::int64_t> within_;
  std::vector<std::pair<std::int64_t, std::int64_t>> kept_;  // extent and step of what stays, innermost first
  std::int64_t results_ = 1;
};

/// result = f(elements) with std::span<const C> elements in the compute type C of the dtype.
template <DTypeSet kSet, class F>
void reduce(OpRun& run, F f) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const Reduction reduction(run);
  const auto& within = reduction.within();
  dispatch<kSet>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const auto grain = row_grain(static_cast<std::int64_t>(within.size()));
    run.parallel_for(reduction.results(), grain, [&](std::int64_t begin, std::int64_t end) {
      std::vector<ComputeOf<T>> row(within.size());
      for (std::int64_t r = begin; r < end; ++r) {
        const T* from = x.as<T>() + reduction.base(r);
        for (std::size_t i = 0; i < within.size(); ++i) row[i] = Element<T>::load(from[within[i]]);
        y.as<T>()[r] = Element<T>::store(f(std::span<const ComputeOf<T>>(row)));
      }
    });
  });
}

}  // namespace openinfer
