// SPDX-License-Identifier: Apache-2.0
// Elementwise nodes of a group as templates take them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/kernels/pointwise.h"
#include "codegen/plan/lowering.h"

namespace openinfer::plan {

using Bindings = std::map<std::string, Operand>;

struct Tail {
  kernels::Pointwise pointwise;
  Bindings bind;  // its inputs and outputs, by names that `taken` does not have
};

/// How kernels call a value: a weight by its key.
std::string name_of(const GroupLowering& l, ValueId value);

/// `nodes` behind values that the kernel itself computes (`given`), over `axes`, which divide the dimensions of the
/// result's shape into runs: {2, 1} means that the first two dimensions are one axis. Outputs are the given values and
/// results of nodes that leave the group; `in_blocks`: one of them in 8-bit blocks, if its readers take it so. Nothing
/// if an operand broadcasts within an axis.
std::optional<Tail> tail_of(GroupLowering& l, const std::vector<NodeId>& nodes, const std::vector<ValueId>& given,
                            const Shape& shape, const std::vector<std::size_t>& axes, const Bindings& taken = {},
                            bool in_blocks = false);

/// Letters, digits and _ only: how kernels and source call a value.
std::string identifier(std::string_view name);

/// tail_of for a template's result (rows, columns), its last dimension being the columns; where that cannot be, the
/// tail's nodes are left to be kernels of their own behind the template's (`rest`).
Tail row_tail(GroupLowering& l, const std::vector<NodeId>& nodes, const std::vector<ValueId>& given,
              const Bindings& taken, bool& rest, bool in_blocks = false);

}  // namespace openinfer::plan
