// SPDX-License-Identifier: Apache-2.0
// Runs any kernel on any machine, one scalar after the other: what a kernel means, for tests and for finding out which
// node of it goes wrong. All lanes of a workgroup take each statement together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

struct InterpretOptions {
  /// Refuse what a device may do in either order: two lanes that write different values to one place, or a place that
  /// one writes and another touches, with no barrier between (in one workgroup) or at all (in two).
  bool check_races = true;
  /// min(b, a) for min(a, b), and so for max and over lanes: what comes of a NaN and a number, or of two zeros, is
  /// open.
  bool swap_extremes = false;
};

/// Runs workgroups 0 … groups-1. `buffers` are the memory of the kernel's global buffers, in their order; `params` its
/// parameters. f32 arithmetic is in float, each operation rounded; integers wrap; lane_sum adds as a binary tree.
/// Shared memory starts as bytes 0xff (NaN).
/// Errors: internal, with kernel, buffer, index, group, subgroup and lane, for an access outside of a buffer, a race,
/// and what the language leaves undefined (x / 0, a shift by more than the width, a float that no integer holds);
/// invalid_argument for a wrong number of buffers or parameters.
void interpret(const Kernel& kernel, const std::vector<std::span<std::byte>>& buffers,
               const std::vector<std::int32_t>& params, std::int64_t groups, const InterpretOptions& options = {});

}  // namespace openinfer::kir
