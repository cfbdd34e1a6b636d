// SPDX-License-Identifier: Apache-2.0
// Local simplification of pure nodes, exact bit for bit: applied to each node as it is built.
#pragma once

#include <optional>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

/// A node that does the same as `node`: one of its operands (.same), a constant (.constant), or nothing simpler.
struct Folded {
  Id same = kNoId;
  std::optional<Node> constant = {};
};
Folded fold(const Kernel& kernel, const Node& node);

}  // namespace openinfer::kir
