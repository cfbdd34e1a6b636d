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
#include "formats/opnf/writer.h"
#include "lib/base/fail.h"
#include "openinfer/sim.h"

namespace openinfer::cli {
namespace {

struct PackOptions {
  std::string model, graph, output, layout;  // layout: empty leaves each tensor's
};

/// "; 12 of 34 tensors in panel16": others do not fit, or have no bytes of their own.
std::string layout_note(const PackOptions& options) {
  if (options.layout.empty()) return "";
  const auto tensors = open_model(options.output).tensors();
  const auto with = std::count_if(tensors.begin(), tensors.end(),
                                  [&](const TensorInfo& tensor) { return tensor.layout == options.layout; });
  return fmt::format("; {} of {} tensors in {}", with, tensors.size(), options.layout);
}

std::optional<opnf::Layout> layout_of(const std::string& name) {
  if (name.empty()) return std::nullopt;
  return name == "rows" ? opnf::Layout::rows : opnf::Layout::panel16;
}

void write_package(const PackOptions& options, const std::string& graph) try {
  const auto reader = opnf::Reader::open(options.model);
  opnf::Writer writer(options.output);
  writer.copy(reader, layout_of(options.layout));
  writer.erase(opnf::Section::graph, "main");
  writer.graph("main", graph);
  writer.write();
} catch (const opnf::Error& error) {
  fail(ErrorCode::io_error, "[pack] {}", error.what());
}

void run_pack(const PackOptions& options) {
  const Model model = open_model(options.model);
  const auto chosen = choose_graph(model, {.file = options.graph});
  const SimSession fits(model, chosen.graph, {}, Location{});  // the package has every tensor that the graph declares
  write_package(options, to_text(chosen.graph));
  fmt::print(stderr, "openinfer: {}: {}, with the {}{}\n", options.output,
             size_text(std::filesystem::file_size(options.output)), chosen.origin, layout_note(options));
}

}  // namespace

void add_pack(CLI::App& app, Action& action) {
  auto options = std::make_shared<PackOptions>();
  auto* command =
      app.add_subcommand("pack", "Write a package again with a graph embedded or its weights in another layout");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_option("--graph", options->graph, "Graph text (.oig); default: the graph that `run` would use");
  command->add_option("--layout", options->layout, "Of the weights that it fits; default: as they are")
      ->check(CLI::IsMember({"rows", "panel16"}));
  command->add_option("-o,--output", options->output, "The new package")->required();
  command->footer(
      "Examples:\n  openinfer pack smollm2.oinf -o with_graph.oinf\n"
      "  openinfer pack smollm2.oinf --layout panel16 -o for_cpu.oinf");
  command->callback([options, &action] { action = [options] { run_pack(*options); }; });
}

}  // namespace openinfer::cli
