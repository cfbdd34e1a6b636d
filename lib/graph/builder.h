// SPDX-License-Identifier: Apache-2.0
// From what users write as an operand to a value of the graph.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "openinfer/graph.h"

namespace openinfer {

/// The graph that the operands belong to. Errors: none of them belongs to one, or they belong to two.
std::shared_ptr<Draft> draft_of(std::string_view op, const std::vector<OptionalIn>& operands, const ApplyTo& where,
                                Location at);
/// Throws for a value, index or state that was made in a body which threw.
void check_kept(const Value& value, std::string_view op, Location at);
void check_kept(const Index& index, std::string_view op, Location at);
void check_kept(const State& state, std::string_view op, Location at);
/// Throws for an index that went beyond 2^40 on its way here.
void check_index(const Index& index, Location at);
/// The operand as a value of the draft: a weight, an index or a number becomes leaves (a number alone is f32 or i32).
ValueId to_value(Draft& draft, const In& operand);

}  // namespace openinfer
