// SPDX-License-Identifier: Apache-2.0
// The one verifier behind builder, parser, passes and everything that receives a graph: nothing trusts a graph that it
// did not pass.
#pragma once

#include "lib/graph/ir.h"

namespace openinfer {

/// Throws Error for the first broken rule: numbers out of range; a value used before, or outside, where it is defined;
/// results whose types differ from what infer says; captures that are not exactly what a region uses; a token used
/// twice; a kv_read view used after a later write to its state; loops and branches whose arguments, operands and
/// results do not match; names repeated; dims undeclared; a family index that is not an enclosing loop's, or runs
/// outside the declared range.
void verify(const GraphData& g);

}  // namespace openinfer
