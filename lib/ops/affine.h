// SPDX-License-Identifier: Apache-2.0
// Where the scale and zero point of an element of an affine quantised tensor stand: for reference and kernels alike.
#pragma once

#include <cstdint>
#include <string>

#include "openinfer/tensor.h"

namespace openinfer {

/// Of a tensor as it is stored, as a matrix of rows (all leading dimensions, the last one).
struct AffinePlaces {
  bool is_tensor = false;   // one scale for all
  bool is_channel = false;  // one for each index along the axis; else one for `group` neighbours along it
  bool along_row = false;   // the axis is the last dimension
  std::int64_t length = 1;  // of a row
  std::int64_t extent = 1;  // of the axis
  std::int64_t inner = 1;   // rows from one index along the axis to the next
  std::int64_t group = 1;

  /// The place of element `at` of row `row`; I counts: std::int64_t, or what stands for one in a kernel. `none` is 0.
  template <class I>
  I of(const I& row, const I& at, const I& none) const {
    if (is_tensor) return none;
    if (along_row) return is_channel ? at : I(row * (length / group) + at / group);
    const I index = I(row / inner) % extent;
    if (is_channel) return index;
    const I outer = row / (inner * extent);
    return I((outer * (extent / group) + index / group) * inner + row % inner) * length + at;
  }
};

/// Of `stored`, scale's shape, the axis (of `stored`) and the group (0: none). "" in `why`, or what does not fit.
AffinePlaces affine_places(const Extents& stored, const Extents& scale, std::int64_t axis, std::int64_t group,
                           std::string& why);

}  // namespace openinfer
