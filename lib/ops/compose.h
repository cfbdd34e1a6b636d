// SPDX-License-Identifier: Apache-2.0
// What functions of ops.h that are made of other operators share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openinfer/graph.h"

namespace openinfer {

/// The operand as a value of the graph that it or one of `others` belongs to. Errors: as apply's, in the name of `op`.
Value value_in(std::string_view op, const In& x, const std::vector<In>& others = {});

/// "'q'", "@Wq.0", "0.5": how errors call a value.
std::string described(const Value& x);

/// `axis` counted from the front, negative from the end of `rank`. Errors: invalid_argument "[op] axis 3 is outside …".
std::size_t axis_within(std::string_view op, std::int64_t axis, std::size_t rank, const Value& x, Location at);

/// Nodes without operands beside x, in its graph.
Value fill_beside(const Value& x, Shape shape, double value, DType dtype, Location at);
Value iota_beside(const Value& x, Shape shape, std::int64_t axis, DType dtype, Location at);

/// Places of windows along an axis: w-th of window o is o · stride + w · dilation.
struct Windows {
  std::int64_t size = 1, stride = 1, dilation = 1;
};
/// Windows that lie in `extent`. Errors: invalid_argument for numbers below 1; shape_mismatch for an extent that is
/// smaller than a window, or with symbols whose factors the stride does not divide.
Dim window_count(std::string_view op, const Dim& extent, const Windows& windows, Location at);
/// x (A…, L, D…) → (A…, windows, size, D…). Errors: as above.
Value windows_along(std::string_view op, const Value& x, std::size_t axis, const Windows& windows, Location at);

}  // namespace openinfer
