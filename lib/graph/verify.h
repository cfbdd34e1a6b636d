// SPDX-License-Identifier: Apache-2.0
// The one verifier behind builder, parser, passes and everything that receives a graph: nothing trusts a graph that it
// did not pass.
#pragma once

#include "lib/graph/ir.h"

namespace openinfer {

// What a graph may have at most: far beyond any model's, and small enough that no text makes us work for minutes.
inline constexpr int kMaxNesting = 64;
inline constexpr std::size_t kMaxNodes = std::size_t{1} << 18;
inline constexpr std::size_t kMaxRegions = std::size_t{1} << 14;
inline constexpr std::size_t kMaxDeclarations = 1024;  // of dimensions, inputs, outputs, states
inline constexpr std::size_t kMaxOperands = 4096;      // of one operator
inline constexpr std::int64_t kMaxFamily = std::int64_t{1} << 20;

/// Throws Error for the first broken rule: numbers out of range; a value used before, or outside, where it is defined;
/// results whose types differ from what infer says; captures that are not exactly what a region uses; a token used
/// twice; a kv_read view used after a later write to its state; loops and branches whose arguments, operands and
/// results do not match; names repeated; dims undeclared; a family index that is not an enclosing loop's, or runs
/// outside the declared range.
void verify(const GraphData& g);

}  // namespace openinfer
