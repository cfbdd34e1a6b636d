// SPDX-License-Identifier: Apache-2.0
// Plan passes behind lower.h, in order. Each makes the plan more definite; none changes what it computes.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

struct PlanPass {
  std::string_view name;
  void (*run)(Plan& plan);
};

std::span<const PlanPass> plan_passes();

/// Runs them; `dump` is called with name and text before and after each of `dumped` ("all": every one).
/// Errors: not_found for a name that is no pass.
void run_passes(
    Plan& plan, const std::vector<std::string>& dumped = {},
    const std::function<void(std::string_view pass, const std::string& before, const std::string& after)>& dump = {});

// The passes.
/// In a plan that wants it (Plan::tapped): a tap behind every dispatch for each value of the graph that it writes, rows
/// written into a state included. Copies have none: whoever reads them is behind a tap.
void add_taps(Plan& plan);
/// Buffers of kernels that are larger than the device binds (Target::most_bound_bytes) are reached by their addresses,
/// where kernels can have such; the dispatch's reason says which and why. Elsewhere hosts refuse them.
void bind_by_address(Plan& plan);
/// Lifetimes of scratch buffers in each entry point, and their places in its arena: first fit, largest first, such that
/// buffers that live at the same time do not overlap. Places are multiples of kAlignment.
void plan_memory(Plan& plan);
inline constexpr std::int64_t kAlignment = 256;  // bytes: the largest minStorageBufferOffsetAlignment Vulkan allows
/// What kernels say of themselves in comments: the nodes they compute with the user's lines, the dispatches that call
/// them with bytes and operations, why they were chosen; the shapes of what their buffers are bound to.
void plan_provenance(Plan& plan);

}  // namespace openinfer::plan
