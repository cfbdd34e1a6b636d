// SPDX-License-Identifier: Apache-2.0
// Integers that grow evenly from lane to lane: base + stride · lane. Where lanes are elements of a vector, they tell
// contiguous memory from gathers, and are kept as their base alone.
#pragma once

#include <optional>
#include <vector>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

/// By node: the stride of an i32 value; 0 for what is the same in all lanes; nothing for all others.
std::vector<std::optional<std::int64_t>> find_ramps(const Kernel& kernel);

/// Do two values load, lane by lane, places 2 i and 2 i + 1 of a buffer behind the same first one?
bool load_neighbours(const Kernel& kernel, const std::vector<std::optional<std::int64_t>>& ramps, Id first, Id second);

}  // namespace openinfer::kir
