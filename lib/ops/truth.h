// SPDX-License-Identifier: Apache-2.0
// Truth over axes: what any and all share. Compiled, both count: how many are true, how many are not.
#pragma once

#include "lib/ops/reduce.h"

namespace openinfer {

/// result = stop if an element is `stop`, else the opposite.
template <bool kStop>
void reference_truth(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  if (y.count() == 0) return;
  const Reduction reduction(run);
  const Reduction::Level line = reduction.run();
  run.parallel_for(y.count(), row_grain(reduction.elements()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      bool found = false;
      Reduction::Walk walk(reduction, r);
      for (std::int64_t left = reduction.elements(); left > 0; left -= line.extent, walk.next())
        for (std::int64_t i = 0; i < line.extent; ++i)
          found = found || Element<Byte01>::load(x.as<Byte01>()[walk.place() + i * line.step]) == kStop;
      y.as<Byte01>()[r] = Element<Byte01>::store(found ? kStop : !kStop);
    }
  });
}

/// The Over that attributes_of() made.
inline Over over_of(const Attributes& attributes) {
  Over over;
  if (const Attribute* axes = attributes.find("axes"))
    for (const Dim& d : std::get<Shape>(*axes)) over.axes.push_back(d.constant());
  if (const Attribute* keepdims = attributes.find("keepdims")) over.keepdims = std::get<bool>(*keepdims);
  return over;
}

}  // namespace openinfer
