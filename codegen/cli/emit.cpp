// SPDX-License-Identifier: Apache-2.0
// openinfer emit: the graph that `run` would use as a project of its own for a named device.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>

#include "codegen/check/nvrtc.h"
#include "codegen/check/record.h"
#include "codegen/check/spirv.h"
#include "codegen/cli/architectures.h"
#include "codegen/cli/commands.h"
#include "codegen/cli/entry_points.h"
#include "codegen/cli/options.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "codegen/devices/devices.h"
#include "codegen/emit/matrix_units.h"
#include "codegen/emit/project.h"
#include "codegen/plan/budget.h"
#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/tail.h"
#include "lib/base/fail.h"
#include "lib/base/nearest.h"
#include "lib/graph/ir.h"
#include "lib/passes/pipeline.h"

namespace openinfer::cli {
namespace {

struct EmitOptions {
  std::string model, device, output, graph, api, numerics = "strict", kv_dtype, lang = "cpp";
  std::optional<std::string> name;
  std::optional<std::int64_t> max_context, batch;
  std::int64_t memory_budget = 0;  // bytes; 0: none
  std::vector<std::string> dump;
  bool no_fuse = false, check_data = false, no_cubins = false;
};

/// The package's file name as an identifier.
std::string name_from(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  const std::string name = plan::identifier(stem.empty() ? "emitted" : stem);
  const bool taken = name == "model" || name == "kernel" || name == "std" || name == "opnf";
  return taken || (name[0] >= '0' && name[0] <= '9') ? "emitted_" + name : name;
}

/// Caches of as many sequences as the graph allows are no part of a budget that nobody asked for.
EntryOptions ways_in(const EmitOptions& options) {
  return {options.max_context, options.batch, options.memory_budget != 0};
}

void print_dump(std::string_view pass, const std::string& before, const std::string& after) {
  fmt::print(stderr, "--- before {}\n{}--- after {}\n{}", pass, before, pass, after);
}

/// Which of the asked-for passes go over graphs and which over plans.
struct Dumps {
  std::vector<std::string> graph, plan;
};
Dumps dumps(const std::vector<std::string>& wanted) {
  Dumps dumps;
  std::vector<std::string_view> names = {"all"};
  for (const GraphPass& p : compilation_passes()) names.push_back(p.name);
  for (const plan::PlanPass& p : plan::plan_passes()) names.push_back(p.name);
  for (const std::string& name : wanted) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw UsageError(fmt::format("emit: --dump-pass: there is no pass '{}'{}", name, did_you_mean(name, names)));
    const auto passes = compilation_passes();
    const bool graph = std::any_of(passes.begin(), passes.end(), [&](const GraphPass& p) { return p.name == name; });
    if (graph || name == "all") dumps.graph.push_back(name);
    if (!graph || name == "all") dumps.plan.push_back(name);
  }
  return dumps;
}

Device device_for(const EmitOptions& options) {
  const Device device = resolve(DeviceSpec::named(options.device).api(options.api));
  if (device.api != Api::cuda && options.no_cubins)
    throw UsageError(fmt::format("emit: --no-cubins is for --api cuda, not {}", openinfer::name(device.api)));
  if (device.api == Api::cuda && options.check_data)
    fail(ErrorCode::unsupported,
         "[emit] {}: --check-data needs a host program, which CUDA has not in this version; give --api vulkan",
         device.name);
  if (device.api != Api::cpu && options.memory_budget != 0)
    fail(ErrorCode::unsupported,
         "[emit] {}: --memory-budget is for CPUs, whose weights can be streamed; a program for {} has --memory-limit",
         device.name, openinfer::name(device.api));
  return device;
}

/// Of GPUs, for fast: with them prompts are products of f16.
emit::MatrixUnits units_for(const Device& device, const EmitOptions& options) {
  if (options.numerics != "fast" || device.api == Api::cpu) return {};
  if (options.check_data) return {{}, "the bounds of --check-data do not know their roundings to f16"};
  return emit::matrix_units(device);
}

void run_emit(const EmitOptions& options) {
  const Dumps dumped = dumps(options.dump);
  const auto start = std::chrono::steady_clock::now();
  const Device device = device_for(options);
  const auto compiler =
      device.api == Api::vulkan ? std::async(std::launch::async, check::prepare_spirv) : std::future<void>();
  const Model model = open_model(options.model);
  const auto kv_dtype = options.kv_dtype.empty() ? std::nullopt : dtype_from_name(options.kv_dtype);
  const ChosenGraph chosen = choose_graph(
      model, {.file = options.graph, .kv_dtype = kv_dtype, .usual_kv_dtype = options.numerics == "fast" ? f16 : f32});
  const SimSession fits(model, chosen.graph, {}, Location{});  // the package has every tensor that the graph declares
  const Graph graph =
      run_passes(plan::over(chosen.graph, model), compilation_passes(),
                 {.dump = dumped.graph,
                  .on_dump = [](const PassDump& d) { print_dump(d.pass, d.before, d.after); },
                  .no_fuse = options.no_fuse ? std::vector<std::string>{"all"} : std::vector<std::string>{}})
          .graph;
  plan::PlanOptions how = {.name = options.name.value_or(name_from(options.model)),
                           .target = emit::target_of(device),
                           .numerics = numerics_from_name(options.numerics),
                           .entries = entry_points(graph, ways_in(options), "emit"),
                           .taps = options.check_data};
  const emit::MatrixUnits units = units_for(device, options);
  how.target.mma = units.shape;
  plan::Plan plan = plan::lower_within(graph, how, options.memory_budget, [&](plan::Plan& lowered) {
    if (!units.why_not.empty()) lowered.notes.push_back("no matrix units: " + units.why_not);
    plan::run_passes(lowered, dumped.plan, print_dump);
  });
  const plan::GraphFacts facts = plan::graph_facts(graph);
  const std::string check_data = options.check_data
                                     ? check::record(graph, plan, facts, emit::emission(plan, model, device),
                                                     device.api == Api::cpu ? ".cpp" : ".comp")
                                     : "";
  const bool compiles = device.api == Api::cuda && !options.no_cubins;
  const auto nvrtc = compiles ? std::make_unique<check::Nvrtc>() : nullptr;
  emit::emit_project(plan, model, device, options.output, facts, check_data, nvrtc.get());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print(stderr, "openinfer: {}: {} for {}, {} kernels{}, with the {}, in {:.2f} s\n", options.output, plan.name,
             device.name, plan.kernels.size(),
             device.api == Api::cuda ? " only (CUDA has no host program in this version)" : "", chosen.origin,
             took.count());
}

}  // namespace

void add_emit(CLI::App& app, Action& action) {
  auto options = std::make_shared<EmitOptions>();
  auto* command = app.add_subcommand("emit", "Write the model as a C++ project for a device");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_option("--device", options->device, "A name of `openinfer devices`; this-cpu is this machine")
      ->required();
  command->add_option("-o,--output", options->output, "Folder of the project")->required();
  command->add_option("--name", options->name, "Target and namespace (default: from the package's name)");
  command->add_option("--api", options->api, "cpu, vulkan or cuda (kernels only) (default: the device's first)")
      ->check(CLI::IsMember({"cpu", "vulkan", "cuda"}));
  command
      ->add_option(
          "--numerics", options->numerics,
          "strict: f32; fast: 8-bit integer products of weights in blocks where the device has them, an f16 cache")
      ->capture_default_str()
      ->check(CLI::IsMember({"strict", "fast"}));
  command->add_option("--max-context", options->max_context, "Most positions that the cache can be opened with")
      ->check(whole_number(1));
  command
      ->add_option("--memory-budget", options->memory_budget,
                   "SIZE (64MiB) that weights, values and cache may take together: weights are streamed from the file; "
                   "for CPUs, and one sequence unless --batch says more")
      ->transform(size_in_bytes());
  command->add_option("--batch", options->batch, "Sequences that the cache holds, and rows of a decoding step")
      ->check(whole_number(1));
  command->add_option("--kv-dtype", options->kv_dtype, "Of the cache: f32 (default of strict) or f16 (of fast)")
      ->check(CLI::IsMember({"f32", "f16"}));
  command->add_option(
      "--graph", options->graph,
      "Emit this graph text (.oig) instead of the package's; a pipe is read until its writer closes it");
  command->add_option("--lang", options->lang, "Of the host program")
      ->capture_default_str()
      ->check(CLI::IsMember({"cpp"}));
  command->add_option("--dump-pass", options->dump, "Print graph or plan before and after this pass, or all, to stderr")
      ->allow_extra_args(false);
  command->add_flag("--no-fuse", options->no_fuse, "A kernel for each node");
  command->add_flag("--no-cubins", options->no_cubins, "CUDA: sources and plan only, where NVRTC is not there");
  command->add_flag("--check-data", options->check_data,
                    "Record steps in the simulator: `model M --check` then holds every node to it");
  command->footer(
      "Examples:\n  openinfer emit smollm2.oinf --device this-cpu -o smollm2_cpu\n"
      "  openinfer emit filter.oinf --graph filter.oig --device zen4 --name filter -o filter_zen4");
  command->callback([options, &action] { action = [options] { run_emit(*options); }; });
}

}  // namespace openinfer::cli
