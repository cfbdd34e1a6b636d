// SPDX-License-Identifier: Apache-2.0
// Which values and nodes some roots depend on, through loops and branches: a loop's carried value is needed only if
// somebody wants what it ends as, or a turn uses it. What a step runs (lib/sim) and what a pass may leave out
// (lib/passes) are both this.
#pragma once

#include <span>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

struct Demand {
  std::vector<bool> values;
  std::vector<bool> nodes;
};

Demand find_demand(const GraphData& g, std::span<const ValueId> roots);

}  // namespace openinfer
