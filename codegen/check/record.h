// SPDX-License-Identifier: Apache-2.0
// The check that travels with an emitted program: inputs of a few steps, what the simulator has at each tap of the
// plan, and how far a device may be from it.
#pragma once

#include <string>
#include <string_view>

#include "codegen/plan/graph_facts.h"
#include "codegen/plan/plan.h"
#include "openinfer/graph.h"

namespace openinfer::check {

/// A package, as bytes, that the emitted host/check.cpp reads: README.md has its keys. `graph`: the one that `plan` was
/// lowered from, with taps. `emission`: names this emission; programs of another refuse the data. `kernel_files`: what
/// kernels' files end in, ".cpp". The same arguments give the same bytes.
/// Errors: those of the simulator; internal if the simulator itself leaves its bounds.
std::string record(const Graph& graph, const plan::Plan& plan, const plan::GraphFacts& facts, std::string_view emission,
                   std::string_view kernel_files);

}  // namespace openinfer::check
