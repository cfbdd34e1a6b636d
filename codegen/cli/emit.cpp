// SPDX-License-Identifier: Apache-2.0
// openinfer emit: the graph that `run` would use as a project of its own for a named device.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "codegen/cli/architectures.h"
#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "codegen/plan/pipeline.h"
#include "lib/base/nearest.h"
#include "lib/passes/pipeline.h"
#include "openinfer/evaluator.h"

namespace openinfer::cli {
namespace {

struct EmitFlags {
  std::string model, device, output, graph, api, numerics = "strict", kv_dtype, lang = "cpp";
  std::optional<std::string> name;
  std::optional<std::int64_t> max_context, batch;
  std::int64_t memory_budget = 0;  // bytes; 0: none
  std::vector<std::string> dump;
  bool no_fuse = false, check_data = false, no_cubins = false;
};

void print_dump(std::string_view pass, const std::string& before, const std::string& after) {
  print_err(fmt::format("--- before {}\n{}--- after {}\n{}", pass, before, pass, after));
}

/// Errors: UsageError for a name that is no pass.
void check_dumps(const std::vector<std::string>& wanted) {
  std::vector<std::string_view> names = {"all"};
  for (const GraphPass& p : compilation_passes()) names.push_back(p.name);
  for (const plan::PlanPass& p : plan::plan_passes()) names.push_back(p.name);
  for (const std::string& name : wanted)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw UsageError(fmt::format("emit: --dump-pass: there is no pass '{}'{}", name, did_you_mean(name, names)));
}

void run_emit(const EmitFlags& flags) {
  check_dumps(flags.dump);
  const auto start = std::chrono::steady_clock::now();
  const Evaluator device(DeviceSpec::named(flags.device).api(flags.api), Location{});
  if (device.api() != "cuda" && flags.no_cubins)
    throw UsageError(fmt::format("emit: --no-cubins is for --api cuda, not {}", device.api()));
  const Model model = open_model(flags.model);
  const auto kv_dtype = flags.kv_dtype.empty() ? std::nullopt : dtype_from_name(flags.kv_dtype);
  const ChosenGraph chosen = choose_graph(
      model, {.file = flags.graph, .kv_dtype = kv_dtype, .usual_kv_dtype = flags.numerics == "fast" ? f16 : f32});
  const Evaluator program = device.from_graph(model, chosen.graph,
                                              {.name = flags.name,
                                               .numerics = numerics_from_name(flags.numerics),
                                               .max_context = flags.max_context,
                                               .batch = flags.batch,
                                               .memory_budget = flags.memory_budget,
                                               .fuse = !flags.no_fuse,
                                               .check_data = flags.check_data,
                                               .cubins = !flags.no_cubins,
                                               .dump = flags.dump,
                                               .on_dump = print_dump},
                                              Location{});
  program.emit(flags.output, Location{});
  for (const std::string& remark : program.remarks()) print_err("openinfer: {}\n", remark);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  print_err("openinfer: {}: {} for {}, {} kernels{}, with the {}, in {:.2f} s\n", flags.output, program.name(),
            program.device(), program.kernel_count(),
            device.api() == "cuda" ? " only (CUDA has no host program in this version)" : "", chosen.origin,
            took.count());
}

}  // namespace

void add_emit(CLI::App& app, Action& action) {
  auto options = std::make_shared<EmitFlags>();
  auto* command = app.add_subcommand("emit", "Write the model as a C++ project for a device");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_option("--device", options->device, "A name of `openinfer devices`; this-cpu is this machine")
      ->required();
  command->add_option("-o,--output", options->output, "Folder of the project; the one that it lies in is there already")
      ->required();
  command->add_option("--name", options->name, "Target and namespace (default: from the package's name)");
  command->add_option("--api", options->api, "cpu, vulkan or cuda (kernels only) (default: the device's first)")
      ->check(CLI::IsMember({"cpu", "vulkan", "cuda"}));
  add_numerics(*command, options->numerics);
  command->add_option("--max-context", options->max_context, "Most positions that the cache can be opened with")
      ->check(whole_number(1));
  command
      ->add_option("--memory-budget", options->memory_budget,
                   "SIZE (64MiB) that weights, values and cache may take together: weights are streamed from the file; "
                   "for CPUs, and one sequence unless --batch says more")
      ->transform(size_in_bytes());
  command->add_option("--batch", options->batch, "Sequences that the cache holds, and rows of a decoding step")
      ->check(whole_number(1));
  command
      ->add_option("--kv-dtype", options->kv_dtype, "Of the cache: f32 (default of strict and bf16) or f16 (of fast)")
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
