// SPDX-License-Identifier: Apache-2.0
// One node on tensors that are known before any run: what folding computes with.
#pragma once

#include <optional>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

/// The extents of a shape without symbols; nothing for another.
std::optional<Extents> fixed_extents(const Shape& shape);

/// The results of the node's reference; `operands` by place, absent ones empty. Nothing if a result has a symbolic size
/// or more than `limit_bytes`, an attribute a symbol, or if the reference refuses these operands: that is for the run
/// that gets there to say.
std::optional<std::vector<Tensor>> run_on_constants(const GraphData& g, const Node& node,
                                                    const std::vector<std::optional<Tensor>>& operands,
                                                    std::int64_t limit_bytes);

/// The tensor of a literal, of a constant, or of a constant's entry that no loop chooses; nothing for other leaves.
std::optional<Tensor> leaf_tensor(const GraphData& g, const Node& leaf);

}  // namespace openinfer
