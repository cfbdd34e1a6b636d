// SPDX-License-Identifier: Apache-2.0
// What sum, mean and reduce_max share: axes, result type, and the walk that hands over the elements behind each result.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/dot.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/rows.h"
#include "openinfer/ops.h"

namespace openinfer {

/// The result of reducing operand 0 over the attributes `axes` (none: all) and `keepdims`.
/// Errors: invalid_argument [C1] for an axis outside or named twice.
TensorType reduced_type(const InferContext& c);

template <DTypeSet kSet>
std::vector<TensorType> infer_reduction(const InferContext& c) {
  auto result = reduced_type(c);  // [C1]
  check_dtype(c, 0, kSet);        // [C2]
  return {std::move(result)};
}
/// An operator over the axes of operand 0.
OpDef reduction(std::string_view name, InferFn infer, ReferenceFn reference);
Attributes attributes_of(const Over& over);

/// Where the elements behind each result lie: runs of `run.extent` elements, `run.step` apart, row-major over the
/// reduced dimensions.
class Reduction {
 public:
  struct Level {
    std::int64_t extent = 1, step = 1;
  };
  explicit Reduction(const OpRun& run);
  /// Elements behind one result.
  std::int64_t elements() const { return elements_; }
  /// The place of a result's first element.
  std::int64_t base(std::int64_t result) const;
  const Level& run() const { return run_; }

  /// Goes from run to run of one result.
  class Walk {
   public:
    Walk(const Reduction& over, std::int64_t result)
        : outer_(over.outer_), at_(outer_.size(), 0), place_(over.base(result)) {}
    std::int64_t place() const { return place_; }
    void next();

   private:
    const std::vector<Level>& outer_;
    std::vector<std::int64_t> at_;
    std::int64_t place_;
  };

 private:
  Level run_;
  std::vector<Level> outer_, kept_;  // the reduced dimensions around the runs, and what stays; innermost first
  std::int64_t elements_ = 0;
};

/// Whole groups of the sixteen partial sums.
inline constexpr std::int64_t kFedAtOnce = 256 * kPartialSums;

/// Hands the elements behind a result to `fold` in pieces; every piece but the last is kFedAtOnce long, whole groups of
/// the sixteen partial sums.
template <class T, class Fold>
void feed(const T* x, const Reduction& reduction, std::int64_t result, std::vector<ComputeOf<T>>& piece, Fold& fold) {
  const auto [extent, step] = reduction.run();
  piece.resize(static_cast<std::size_t>(std::min(kFedAtOnce, reduction.elements())));
  const std::span<const ComputeOf<T>> whole(piece);
  std::int64_t filled = 0;
  Reduction::Walk walk(reduction, result);
  for (std::int64_t left = reduction.elements(); left > 0; left -= extent, walk.next())
    for (std::int64_t i = 0, count = 0; i < extent; i += count) {
      count = std::min(extent - i, kFedAtOnce - filled);
      const T* from = x + walk.place() + i * step;
      for (std::int64_t k = 0; k < count; ++k)
        piece[static_cast<std::size_t>(filled + k)] = Element<T>::load(from[k * step]);
      filled += count;
      if (filled < kFedAtOnce) continue;
      fold.add(whole);
      filled = 0;
    }
  fold.add(whole.first(static_cast<std::size_t>(filled)));
}

/// result = Fold<C>, given the elements with add(std::span<const C>), then asked for result(count); C is the compute
/// type of the dtype.
template <DTypeSet kSet, template <class> class Fold>
void reduce(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  if (y.count() == 0) return;
  const Reduction reduction(run);
  dispatch<kSet>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    run.parallel_for(y.count(), row_grain(reduction.elements()), [&](std::int64_t begin, std::int64_t end) {
      std::vector<ComputeOf<T>> piece;
      for (std::int64_t r = begin; r < end; ++r) {
        Fold<ComputeOf<T>> fold;
        feed(x.as<T>(), reduction, r, piece, fold);
        y.as<T>()[r] = Element<T>::store(fold.result(reduction.elements()));
      }
    });
  });
}

/// The sum as lib/base/dot.h defines it for floats; integers wrap, so that their order is nothing.
template <class C>
class SumFold {
 public:
  void add(std::span<const C> x) {
    for (std::size_t i = 0; i < x.size(); i += kPartialSums) {
      const std::size_t count = std::min<std::size_t>(kPartialSums, x.size() - i);
      for (std::size_t j = 0; j < count; ++j) partial_[j] = partial_[j] + x[i + j];
    }
  }
  C result(std::int64_t) {
    if constexpr (std::is_floating_point_v<C>) return add_partial_sums(partial_);
    C total{};
    for (const C value : partial_) total = total + value;
    return total;
  }

 private:
  C partial_[kPartialSums] = {};
};

}  // namespace openinfer
