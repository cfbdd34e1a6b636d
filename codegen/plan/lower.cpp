// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/lower.h"

#include "codegen/plan/entry_lowering.h"
#include "lib/base/fail.h"

namespace openinfer::plan {

Graph over(const Graph& graph, const Model& model) {
  GraphData data = graph.data();
  data.model = model;
  return Graph(std::make_shared<const GraphData>(std::move(data)));
}

Plan lower(const Graph& graph, const PlanOptions& options) {
  const GraphData& g = graph.data();
  if (!g.weights.empty() && !g.model)
    fail(ErrorCode::invalid_argument,
         "[plan] the graph has weights, '{}' for one, but no package: plan::over gives one", g.weights.front().pattern);
  Plan plan = {.name = options.name};
  plan.tapped = options.taps;
  plan.inputs = g.inputs;
  for (const OutputDecl& o : g.outputs) plan.outputs.push_back(o.name);
  for (const ConstantDecl& c : g.constants) plan.constants.emplace_back(c.name, c.tensor);
  std::vector<EntrySpec> entries = options.entries;
  if (entries.empty()) entries.push_back({.name = "step"});
  const std::vector<LayoutChoice> layouts = choose_layouts(g, options.target);
  for (const EntrySpec& entry : entries) {
    EntryPoint point = EntryLowering(g, options, layouts, entry, plan).run();
    plan.entries.push_back(std::move(point));
  }
  return plan;
}

}  // namespace openinfer::plan
