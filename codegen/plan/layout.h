// SPDX-License-Identifier: Apache-2.0
// The layout pass: how each weight of a graph shall lie for a device's kernels. It looks at all uses of a weight at
// once, before any of them becomes a kernel.
//
// A weight that only products read, each by stored rows, goes into panels where the device has them (Target::panels);
// so do its siblings in one dispatch, or none of them does. A table that is only looked up stays as the package has it,
// unless it is the same tensor as one in panels (tied embeddings), whose bytes it then shares. Everything else is rows.
#pragma once

#include <string>
#include <vector>

#include "codegen/kernels/block_code.h"
#include "lib/graph/ir.h"

namespace openinfer::plan {

struct LayoutChoice {
  kernels::Layout layout = kernels::Layout::rows;
  std::string reason = {};  // empty: there was nothing to choose
};

/// By number of GraphData::weights.
std::vector<LayoutChoice> choose_layouts(const GraphData& g, const kir::Target& target);

std::string_view name(kernels::Layout layout);

}  // namespace openinfer::plan
