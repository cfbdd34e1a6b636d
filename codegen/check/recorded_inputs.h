// SPDX-License-Identifier: Apache-2.0
// The steps that a check replays: each entry point on small inputs, always the same.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "codegen/plan/graph_facts.h"
#include "codegen/plan/plan.h"
#include "openinfer/graph.h"

namespace openinfer::check {

struct RecordedStep {
  int entry = 0;
  std::vector<std::pair<std::string, Tensor>> inputs;
};
struct RecordedInputs {
  std::map<std::string, std::int64_t> sizes;  // of the symbols that states have
  std::vector<RecordedStep> steps;
};

/// The last entry point once (a prompt), then those before it, the first twice, so that it goes on from itself. Free
/// sizes are small and odd; where matrix units multiply rows reach into the second half of their tiles. Inputs that say
/// where something lies stay within bounds: positions go on from step to step, rows are spread over the slots. Other
/// integers are small, floats in (-2, 2), single truths alternate.
RecordedInputs recorded_inputs(const Graph& graph, const plan::Plan& plan, const plan::GraphFacts& facts);

}  // namespace openinfer::check
