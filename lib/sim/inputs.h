// SPDX-License-Identifier: Apache-2.0
// What a caller gives as inputs, matched to the graph's declarations and turned into tensors of their types.
#pragma once

#include <optional>
#include <vector>

#include "lib/graph/ir.h"
#include "lib/sim/binding.h"
#include "openinfer/sim.h"

namespace openinfer {

/// One tensor for each input of the graph, in its order; nothing where none was given. Starts a step of `binding` and
/// binds every symbol that the shapes tell. Errors: not_found for an unknown name, invalid_argument for a name given
/// twice, dtype_mismatch and shape_mismatch as InputValue says, and Binding's.
std::vector<std::optional<Tensor>> take_inputs(const GraphData& g, Binding& binding, const Inputs& given);

}  // namespace openinfer
