// SPDX-License-Identifier: Apache-2.0
// The verifier's parts: tables.cpp checks numbers and declarations, so that the walk over regions may trust them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

/// Every number within its table, every node and value in exactly one place, every declaration well-formed.
void verify_tables(const GraphData& g);
void verify_weight_decl(const WeightDecl& decl, Location at);
/// Throws unless every symbol of the dimension is declared, and if it is a negative number.
void verify_size(const GraphData& g, const Dim& dim, std::string_view what, Location at);
/// Leaves: declared index ranges, tables' bounds, literals that their dtype can hold.
using LoopRanges = std::map<ValueId, std::pair<std::int64_t, std::int64_t>>;
void verify_leaf(const GraphData& g, const Node& node, const LoopRanges& loops);

/// Nodes of a group (Node::fused) are operators of one region, and groups can run one after the other: no path leads
/// from one group out and back into it, through other groups or not.
void verify_groups(const GraphData& g);

}  // namespace openinfer
