// SPDX-License-Identifier: Apache-2.0
// What several operators' infer functions ask of shapes.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "openinfer/op_def.h"

namespace openinfer {

/// Widens `to` to what both broadcast to, as NumPy's: aligned at the end, extents equal or 1. Of Dims or of numbers.
/// Returns the two extents that do not fit, if there are any.
template <class D>
std::optional<std::pair<D, D>> broadcast_into(std::vector<D>& to, const std::vector<D>& from) {
  if (from.size() > to.size()) to.insert(to.begin(), from.size() - to.size(), D(1));
  for (std::size_t d = 0; d < from.size(); ++d) {
    D& extent = to[to.size() - from.size() + d];
    if (extent == D(1)) extent = from[d];
    if (from[d] != D(1) && from[d] != extent) return std::pair(from[d], extent);
  }
  return std::nullopt;
}

/// Whether x broadcasts to exactly `to`.
bool broadcasts_to(const Shape& x, const Shape& to);

/// The shape that all operands broadcast to, as NumPy's: aligned at the end, equal or 1.
/// Errors: shape_mismatch naming the two that do not fit.
Shape broadcast_shapes(const InferContext& c, std::initializer_list<std::size_t> operands);

/// An axis that is in the rank, counted from the front: -1 is the last.
inline std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}
/// `axis` counted from the front, negative from the end. Errors: invalid_argument if outside the rank of operand i.
std::size_t axis_in(const InferContext& c, std::size_t i, std::int64_t axis);

/// Errors: invalid_argument if an extent of the attribute `shape` may be negative under the graph's bounds.
void check_extents(const InferContext& c, const Shape& shape);

/// The numbers of a list attribute. Errors: invalid_argument for a symbol.
std::vector<std::int64_t> numbers(const InferContext& c, std::string_view attribute);

}  // namespace openinfer
