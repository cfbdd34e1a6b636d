// SPDX-License-Identifier: Apache-2.0
// What several operators' infer functions ask of shapes.
#pragma once

#include <initializer_list>

#include "openinfer/op_def.h"

namespace openinfer {

/// The shape that all operands broadcast to, as NumPy's: aligned at the end, equal or 1.
/// Errors: shape_mismatch naming the two that do not fit.
Shape broadcast_shapes(const InferContext& c, std::initializer_list<std::size_t> operands);

/// `axis` counted from the front, negative from the end. Errors: invalid_argument if outside the rank of operand i.
std::size_t axis_in(const InferContext& c, std::size_t i, std::int64_t axis);

/// Errors: invalid_argument if an extent of the attribute `shape` may be negative under the graph's bounds.
void check_extents(const InferContext& c, const Shape& shape);

/// The numbers of a list attribute. Errors: invalid_argument for a symbol.
std::vector<std::int64_t> numbers(const InferContext& c, std::string_view attribute);

}  // namespace openinfer
