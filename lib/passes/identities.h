// SPDX-License-Identifier: Apache-2.0
// Nodes whose result is one of their operands, bit for bit.
#pragma once

#include <functional>
#include <optional>

#include "lib/graph/ir.h"

namespace openinfer {

/// What a pass knows of the graph beyond its nodes.
struct Known {
  /// The tensor that a value always is, if it is known.
  std::function<const Tensor*(ValueId)> tensor;
  /// The value that stands for this one: a node that is an identity is looked through.
  std::function<ValueId(ValueId)> resolve;
};

/// The operand that the (one) result equals. Only what holds for every bit pattern is used: x·1, x/1, x − 0 and
/// x + (−0) do; x + 0 does not, for it makes −0 a 0. A signalling NaN counts as the quiet one that arithmetic makes it.
std::optional<ValueId> identity_of(const GraphData& g, const Node& node, const Known& known);

}  // namespace openinfer
