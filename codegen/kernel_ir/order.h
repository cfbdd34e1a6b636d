// SPDX-License-Identifier: Apache-2.0
// One order for nodes, whatever order a template's compiler evaluated operands in, and without what nothing uses.
#pragma once

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

/// May what a load or a read gives be another value behind this operation? Blocks count: they hold such operations.
bool changes_memory(Op op);

/// A copy in which each region has its effects in their order and, before each, the values that are used first there,
/// in the order of that use. Loads and reads stay between the same effects. Values that nothing uses are gone,
/// variables that nobody reads, loops and branches that do nothing. Numbers of nodes follow the order.
Kernel in_canonical_order(const Kernel& kernel);

}  // namespace openinfer::kir
