// SPDX-License-Identifier: Apache-2.0
// Evaluator: device, passes, plan, project in one.
#include "openinfer/evaluator.h"

#include <algorithm>
#include <future>

#include "codegen/check/record.h"
#include "codegen/compile/nvrtc.h"
#include "codegen/compile/spirv.h"
#include "codegen/devices/devices.h"
#include "codegen/emit/project.h"
#include "codegen/emit/target.h"
#include "codegen/plan/budget.h"
#include "codegen/plan/entry_points.h"
#include "codegen/plan/graph_facts.h"
#include "codegen/plan/print.h"
#include "lib/base/fail.h"
#include "lib/passes/pipeline.h"
#include "lib/sim/program.h"

namespace openinfer {

struct Evaluator::Target {
  explicit Target(const DeviceSpec& spec) : device(resolve(spec)) {
    if (device.api == Api::vulkan) compiler = std::async(std::launch::async, compile::prepare_spirv);
  }
  Device device;
  std::future<void> compiler;  // made ready beside what comes before it
};

struct Evaluator::Program {
  Model model;
  EmitOptions options;
  Graph graph;  // that the plan was lowered from
  plan::GraphFacts facts;
  plan::Plan plan;
};

namespace {

void check_api(const Device& device, const EmitOptions& options) {
  if (device.api == Api::cuda && options.check_data)
    fail(ErrorCode::unsupported,
         "[emit] {}: check data (--check-data) need a host program, which CUDA has not in this version; take the api "
         "vulkan (--api vulkan)",
         device.name);
  if (device.api != Api::cpu && options.memory_budget != 0)
    fail(ErrorCode::unsupported,
         "[emit] {}: a memory budget (--memory-budget) is for CPUs, whose weights can be streamed; a program for {} "
         "has --memory-limit",
         device.name, name(device.api));
}

/// Which of the asked-for passes go over graphs and which over plans. What is neither goes to those, which refuse it.
struct Dumps {
  explicit Dumps(const std::vector<std::string>& wanted) {
    const auto passes = compilation_passes();
    for (const std::string& name : wanted) {
      const bool of_graph = std::any_of(passes.begin(), passes.end(), [&](const auto& p) { return p.name == name; });
      if (of_graph || name == "all") graph.push_back(name);
      if (!of_graph || name == "all") plan.push_back(name);
    }
  }
  std::vector<std::string> graph, plan;
};

/// Caches of as many sequences as the graph allows are no part of a budget that nobody asked for.
std::vector<plan::EntrySpec> ways_in(const Graph& graph, const EmitOptions& options) {
  plan::EntryOptions how = {options.max_context, options.batch, options.memory_budget != 0};
  for (const EmitEntry& entry : options.entries) how.entries.push_back({entry.name, entry.dims});
  return plan::entry_points(graph, how, "emit");
}

Graph compiled(const Graph& graph, const EmitOptions& options, const Dumps& dumps) {
  PassOptions how = {.dump = dumps.graph};
  if (options.on_dump) how.on_dump = [&](const PassDump& d) { options.on_dump(d.pass, d.before, d.after); };
  if (!options.fuse) how.no_fuse = {"all"};
  return run_passes(graph, compilation_passes(), how).graph;
}

plan::Plan lowered(const Graph& graph, const std::vector<plan::EntrySpec>& entries, const Device& device,
                   const std::string& name, const EmitOptions& options, const Dumps& dumps) {
  const emit::BuiltFor built = emit::built_for(device, options.numerics, options.check_data);
  const plan::PlanOptions how = {.name = name,
                                 .target = built.target,
                                 .numerics = options.numerics,
                                 .entries = entries,
                                 .taps = options.check_data};
  const auto dump = options.on_dump ? options.on_dump : [](std::string_view, const std::string&, const std::string&) {};
  return plan::lower_within(graph, how, options.memory_budget, [&](plan::Plan& plan) {
    plan.notes.insert(plan.notes.end(), built.notes.begin(), built.notes.end());
    plan::run_passes(plan, dumps.plan, dump);
  });
}

}  // namespace

Evaluator::Evaluator(const DeviceSpec& device, At at)
    : target_(located(at, [&] { return std::make_shared<const Target>(device); })) {}

Evaluator Evaluator::from_graph(const Model& model, const Graph& graph, EmitOptions options, At at) const {
  return located(at, [&] {
    const Device& device = target_->device;
    check_api(device, options);
    // The package has every tensor that the verified graph declares.
    const openinfer::Program fits(openinfer::run_passes(graph, simulator_passes()).graph, model);
    const Dumps dumps(options.dump);
    const std::string name = options.name.value_or(emit::name_for(model));
    const Graph over = compiled(plan::over(graph, model), options, dumps);
    plan::Plan plan = lowered(over, ways_in(graph, options), device, name, options, dumps);
    plan::GraphFacts facts = plan::graph_facts(over);
    Evaluator with = *this;
    with.program_ =
        std::make_shared<const Program>(Program{model, std::move(options), over, std::move(facts), std::move(plan)});
    return with;
  });
}

const Evaluator::Program& Evaluator::program() const {
  if (!program_)
    fail(ErrorCode::invalid_argument, "[emit] there is no graph for {} yet: call from_graph(model, graph)",
         target_->device.name);
  return *program_;
}

std::map<std::string, std::string> Evaluator::files(At at) const {
  return located(at, [&] {
    const Program& p = program();
    const Device& device = target_->device;
    std::string check_data;
    if (p.options.check_data)
      check_data = check::record(p.graph, p.plan, p.facts, emit::emission(p.plan, p.model, device),
                                 device.api == Api::cpu ? ".cpp" : ".comp");
    const bool compiles = device.api == Api::cuda && p.options.cubins;
    const auto nvrtc = compiles ? std::make_unique<compile::Nvrtc>() : nullptr;
    return emit::project_files(p.plan, p.model, device, p.facts, check_data, nvrtc.get());
  });
}

void Evaluator::emit(const std::filesystem::path& folder, At at) const {
  located(at, [&] { emit::write_project(files(at), folder); });
}

const std::string& Evaluator::device() const { return target_->device.name; }
std::string_view Evaluator::api() const { return openinfer::name(target_->device.api); }
const std::string& Evaluator::name() const { return program().plan.name; }
std::size_t Evaluator::kernel_count() const { return program().plan.kernels.size(); }
std::string Evaluator::plan() const { return plan::to_text(program().plan); }
std::vector<std::string> Evaluator::remarks() const { return program().plan.remarks; }

}  // namespace openinfer
