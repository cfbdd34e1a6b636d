// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/lower.h"

#include <algorithm>

#include "codegen/plan/entry_lowering.h"
#include "lib/base/fail.h"
#include "lib/sim/weights.h"

namespace openinfer::plan {
namespace {

/// Does anything multiply operands that are rounded to 8 bits, bf16 or f16?
bool rounds_operands(const Plan& plan) {
  const auto noted = [](const EntryPoint& e) { return !e.int8_products.empty() || !e.bf16_products.empty(); };
  const auto by_units = [](const Kernel& k) {
    return std::any_of(k.code.nodes.begin(), k.code.nodes.end(),
                       [](const kir::Node& n) { return n.op == kir::Op::mma; });
  };
  return std::any_of(plan.entries.begin(), plan.entries.end(), noted) ||
         std::any_of(plan.kernels.begin(), plan.kernels.end(), by_units);
}

/// A sentence, where numerics other than strict round nothing; else "".
std::string why_strict(const Plan& plan, const PlanOptions& options) {
  if (options.numerics == Numerics::strict || rounds_operands(plan)) return "";
  const kir::Target& target = options.target;
  const bool bf16 = options.numerics == Numerics::bf16, halves = target.mma || target.bf16_dot;
  std::string why = "no product here is one that they round";
  if (bf16 && !halves) why = "kernels for this device multiply no bf16 faster than f32";
  if (!bf16 && !halves && target.dot4 == Dot4::none)
    why = "kernels for this device have neither integer dot products nor matrix units";
  return fmt::format("numerics {} compute as strict: {}", openinfer::name(options.numerics), why);
}

}  // namespace

Graph over(const Graph& graph, const Model& model) {
  GraphData data = graph.data();
  const Weights fits(data, model);  // the package has every tensor that the graph declares
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
  if (std::string why = why_strict(plan, options); !why.empty()) plan.remarks.push_back(std::move(why));
  return plan;
}

}  // namespace openinfer::plan
