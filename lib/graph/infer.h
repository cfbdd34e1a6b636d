// SPDX-License-Identifier: Apache-2.0
// Result types of a node: the checks that hold for every operator, then the operator's own `infer`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

/// Types of the node's results, tokens left out. Checks that required operands and attributes are there, that no other
/// attribute is and each has its kind, that block formats stand only at `stored` operands, that hints are legal.
/// A family operand whose members differ in dtype is inferred once for each dtype; the results must agree.
/// Errors: as OpDef::infer, with "[op]" in front and the node's location behind.
std::vector<TensorType> infer(const GraphData& g, const Node& node);

/// Throws unless the op has that kernel variant and the tile is one.
void check_hint(const OpDef& op, const hints& hint, Location at);
/// What backends run the node with: OpDef::lower; nothing if the op has none.
std::optional<Lowering> lower(const GraphData& g, const Node& node);

/// Throws unless the number can be a value of that dtype.
void check_literal(const Number& number, DType dtype, Location at);

/// Floating-point operations of one run, 0 where the operator does not say.
double flops_of(const GraphData& g, const Node& node, const std::function<std::int64_t(const Dim&)>& value);

/// How errors call a value: "'q'", "@Wq.{l}", "0.5".
std::string describe(const GraphData& g, ValueId value);

}  // namespace openinfer
