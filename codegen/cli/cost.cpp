// SPDX-License-Identifier: Apache-2.0
// openinfer cost: bytes, operations, memory and the roofline of what `emit` would write, before anything runs.
#include "codegen/cli/cost.h"

#include <memory>
#include <optional>

#include "codegen/cli/architectures.h"
#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/output_file.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "codegen/devices/devices.h"
#include "codegen/emit/target.h"
#include "codegen/plan/budget.h"
#include "codegen/plan/entry_points.h"
#include "lib/base/fail.h"
#include "lib/passes/pipeline.h"

namespace openinfer::cli {
namespace {

struct CostOptions {
  std::string model, device, graph, api, numerics = "strict", kv_dtype, html;
  std::optional<std::int64_t> max_context, batch;
  std::int64_t memory_budget = 0;  // bytes; 0: none
  plan::Peaks peaks;               // in the place of the device's
  bool json = false;
};

plan::Peaks peaks_of(const Device& device, const plan::Peaks& given) {
  const auto either = [](const std::optional<double>& mine, const std::optional<double>& other) {
    return mine ? mine : other;
  };
  return {either(given.read_gb_per_s, device.read_gb_per_s), either(given.f32_gflop_per_s, device.f32_gflop_per_s),
          either(given.bf16_gflop_per_s, device.bf16_gflop_per_s), either(given.int8_gop_per_s, device.int8_gop_per_s)};
}

void run_cost(const CostOptions& options) {
  const Device device = resolve(DeviceSpec::named(options.device).api(options.api));
  if (device.api != Api::cpu && options.memory_budget != 0)
    fail(ErrorCode::unsupported, "[cost] {}: --memory-budget is for CPUs, whose weights can be streamed", device.name);
  std::optional<OutputFile> page;
  if (!options.html.empty()) {
    if (same_file(options.html, options.model))
      throw UsageError("cost: the output " + options.html + " would replace the package");
    page.emplace(options.html);
  }
  const Model model = open_model(options.model);
  const auto kv_dtype = options.kv_dtype.empty() ? std::nullopt : dtype_from_name(options.kv_dtype);
  const ChosenGraph chosen = choose_graph(
      model, {.file = options.graph, .kv_dtype = kv_dtype, .usual_kv_dtype = options.numerics == "fast" ? f16 : f32});
  const Graph graph = openinfer::run_passes(plan::over(chosen.graph, model), compilation_passes(), {}).graph;
  const Numerics numerics = numerics_from_name(options.numerics);
  const plan::PlanOptions how = {
      .name = "cost",
      .target = emit::target_of(device, numerics),
      .numerics = numerics,
      .entries = plan::entry_points(graph, {options.max_context, options.batch, true}, "cost")};
  const plan::Plan plan = plan::lower_within(graph, how, options.memory_budget);
  const plan::Peaks peaks = peaks_of(device, options.peaks);
  const CostReport report = {options.model, chosen.origin, options.numerics,
                             device,        peaks,         plan::cost_of(plan, model, peaks)};
  if (page) page->write(cost_html(report));
  options.json ? print_bytes(cost_json(report)) : print_out(cost_text(report));
  flush_out();  // before the page is there: what fails leaves nothing
  if (page) page->commit();
}

void add_peaks(CLI::App& command, plan::Peaks& peaks) {
  const auto positive = real_number(1e-6, 1e12);
  command.add_option("--read-gb-per-s", peaks.read_gb_per_s, "Memory's peak, if the device's row does not know it")
      ->check(positive);
  command.add_option("--f32-gflop-per-s", peaks.f32_gflop_per_s, "Arithmetic's peak, a multiply-add is two")
      ->check(positive);
  command
      .add_option("--bf16-gflop-per-s", peaks.bf16_gflop_per_s,
                  "The same of products of bf16 (--numerics bf16 and fast; default: half of what int8 has)")
      ->check(positive);
  command.add_option("--int8-gop-per-s", peaks.int8_gop_per_s, "The same of 8-bit products (--numerics fast)")
      ->check(positive);
}

}  // namespace

void add_cost(CLI::App& app, Action& action) {
  auto options = std::make_shared<CostOptions>();
  auto* command = app.add_subcommand("cost", "Reckon bytes, operations, memory and time before anything runs");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_option("--device", options->device, "A name of `openinfer devices`; this-cpu is this machine")
      ->required();
  command->add_option("--api", options->api, "cpu, vulkan or cuda (default: the device's first)")
      ->check(CLI::IsMember({"cpu", "vulkan", "cuda"}));
  add_numerics(*command, options->numerics);
  command->add_option("--max-context", options->max_context, "Positions of the cache, all of them looked at")
      ->check(whole_number(1));
  command->add_option("--batch", options->batch, "Sequences that the cache holds, and rows of a decoding step (1)")
      ->check(whole_number(1));
  command
      ->add_option("--memory-budget", options->memory_budget,
                   "SIZE (64MiB) that weights, values and cache may take together, as of emit")
      ->transform(size_in_bytes());
  command
      ->add_option("--kv-dtype", options->kv_dtype, "Of the cache: f32 (default of strict and bf16) or f16 (of fast)")
      ->check(CLI::IsMember({"f32", "f16"}));
  command->add_option("--graph", options->graph, "This graph text (.oig) instead of the package's");
  add_peaks(*command, options->peaks);
  command->add_flag("--json", options->json, "One JSON document");
  command->add_option("--html", options->html, "Also write a page with a roofline and tables to F");
  command->footer(
      "Examples:\n  openinfer cost smollm2.oinf --device zen4 --max-context 1024\n"
      "  openinfer cost smollm2.oinf --device this-cpu --read-gb-per-s 20 --f32-gflop-per-s 150 --html cost.html");
  command->callback([options, &action] { action = [options] { run_cost(*options); }; });
}

}  // namespace openinfer::cli
