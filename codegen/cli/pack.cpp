// SPDX-License-Identifier: Apache-2.0
// openinfer pack: the same package with a graph embedded, its weights in the layout that is asked for.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
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
#include "formats/opnf/writer.h"
#include "lib/base/fail.h"
#include "lib/package/package.h"
#include "lib/passes/pipeline.h"
#include "lib/sim/program.h"

namespace openinfer::cli {
namespace {

struct PackOptions {
  std::string model, graph, output, layout, device;  // layout: empty leaves each tensor's, or is the device's
};

/// "; 12 of 34 tensors in panel16": others do not fit, or have no bytes of their own.
std::string layout_note(const PackOptions& options, const std::string& layout) {
  if (layout.empty()) return "";
  const auto tensors = open_model(options.output).tensors();
  const auto with =
      std::count_if(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) { return tensor.layout == layout; });
  return fmt::format("; {} of {} tensors in {}", with, tensors.size(), layout);
}

/// The one that is asked for, or that kernels for the device read; empty: each tensor's own.
std::string layout_of(const PackOptions& options) {
  if (options.device.empty()) return options.layout;
  return emit::target_of(resolve(DeviceSpec::named(options.device))).panels ? "panel16" : "rows";
}

std::optional<opnf::Layout> layout_named(const std::string& name) {
  if (name.empty()) return std::nullopt;
  return name == "rows" ? opnf::Layout::rows : opnf::Layout::panel16;
}

void write_package(const Model& model, const std::string& output, const std::string& layout,
                   const std::string& graph) try {
  opnf::Writer writer(behind_link(output));
  writer.copy(model.package().reader, layout_named(layout));
  writer.erase(opnf::Section::graph, "main");
  writer.graph("main", graph);
  writer.write();
} catch (const opnf::Error& error) {
  const bool damaged = error.code() == opnf::Code::corrupt;  // the package that is read: told as `verify` does
  fail(translate(error.code()), "[{}] {}", damaged ? "model" : "pack", error.what());
}

void run_pack(const PackOptions& options) {
  if (same_file(options.output, options.model))
    throw UsageError(fmt::format("pack: the output {} is the source itself; name another file", options.output));
  if (same_file(options.output, options.graph))
    throw UsageError(fmt::format("pack: the output {} would replace the graph's text", options.output));
  const std::string layout = layout_of(options);
  const Model model = open_model(options.model);
  const auto chosen = choose_graph(model, {.file = options.graph});
  // What a session checks, without its memory: the package has every tensor that the graph declares.
  const Program fits(run_passes(chosen.graph, simulator_passes()).graph, model);
  write_package(model, options.output, layout, to_text(chosen.graph));
  print_err("openinfer: {}: {}, with the {}{}\n", options.output, size_text(std::filesystem::file_size(options.output)),
            chosen.origin, layout_note(options, layout));
}

}  // namespace

void add_pack(CLI::App& app, Action& action) {
  auto options = std::make_shared<PackOptions>();
  auto* command =
      app.add_subcommand("pack", "Write a package again with a graph embedded or its weights in another layout");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_option("--graph", options->graph, "Graph text (.oig); default: the graph that `run` would use");
  auto* layout = command->add_option("--layout", options->layout, "Of the weights that it fits; default: as they are");
  layout->check(CLI::IsMember({"rows", "panel16"}));
  command->add_option("--device", options->device, "Lay them out as this one reads them: a name of `openinfer devices`")
      ->excludes(layout);
  command->add_option("-o,--output", options->output, "The new package")->required();
  command->footer(
      "Examples:\n  openinfer pack smollm2.oinf -o with_graph.oinf\n"
      "  openinfer pack smollm2.oinf --device this-cpu -o for_cpu.oinf");
  command->callback([options, &action] { action = [options] { run_pack(*options); }; });
}

}  // namespace openinfer::cli
