// SPDX-License-Identifier: Apache-2.0
// A loop shares the name of what it carries: `for l in 0..30 carry x` means the value before, the one inside and the
// one behind the loop, as a program's variable would. That is legible only while the value before is not used again.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "lib/graph/ir.h"

namespace openinfer {

/// A carried value: the loop and its place among the carried ones.
using Carried = std::pair<NodeId, std::size_t>;
/// Those whose name hides a value that is used inside or behind the loop, or another one carried by the same loop.
std::set<Carried> ambiguous_names(const GraphData& g);
/// Gives them names of their own: `carry x.1 = x`.
void separate_loop_names(GraphData& g, const std::function<std::string(std::string_view)>& unique_name);

}  // namespace openinfer
