// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/lower.h"

#include "codegen/plan/entry_lowering.h"

namespace openinfer::plan {

Plan lower(const Graph& graph, const PlanOptions& options) {
  const GraphData& g = graph.data();
  Plan plan = {.name = options.name};
  plan.inputs = g.inputs;
  for (const OutputDecl& o : g.outputs) plan.outputs.push_back(o.name);
  for (const ConstantDecl& c : g.constants) plan.constants.emplace_back(c.name, c.tensor);
  std::vector<EntrySpec> entries = options.entries;
  if (entries.empty()) entries.push_back({.name = "step"});
  for (const EntrySpec& entry : entries) {
    EntryPoint point = EntryLowering(g, options, entry, plan).run();
    plan.entries.push_back(std::move(point));
  }
  return plan;
}

}  // namespace openinfer::plan
