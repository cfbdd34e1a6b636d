// SPDX-License-Identifier: Apache-2.0
// The largest and the smallest of elements, and where they are: what reduce_max, reduce_min, argmax and argmin share.
#pragma once

#include <optional>
#include <string_view>

#include "lib/ops/reduce.h"

namespace openinfer {

/// Is `x` further out than `best`, or a NaN, which is furthest?
template <bool kLargest, class C>
bool is_further(C best, C x) {
  return (kLargest ? best < x : x < best) || x != x;
}

template <class C, bool kLargest>
class ExtremeFold {
 public:
  void add(std::span<const C> x) {
    for (const C value : x)
      if (!furthest_ || is_further<kLargest>(*furthest_, value)) furthest_ = value;  // a NaN stays: nothing is further
  }
  C result(std::int64_t) const { return *furthest_; }

 private:
  std::optional<C> furthest_;
};
template <class C>
using LargestFold = ExtremeFold<C, true>;
template <class C>
using SmallestFold = ExtremeFold<C, false>;

/// reduce_max, reduce_min.  Errors: reduction()'s [C1] [C2]; invalid_argument [C3] of no elements, at run time.
template <bool kLargest>
void reference_extreme(OpRun& run);
extern template void reference_extreme<true>(OpRun& run);
extern template void reference_extreme<false>(OpRun& run);

/// The operator argmax or argmin.
OpDef place_of_extreme(std::string_view name, bool largest);

}  // namespace openinfer
