// SPDX-License-Identifier: Apache-2.0
// The text form of a graph that is still data: what passes dump.
#pragma once

#include <string>

#include "lib/graph/ir.h"

namespace openinfer {

/// As to_text(const Graph&). `g` must have passed verify.
std::string to_text(const GraphData& g);

}  // namespace openinfer
