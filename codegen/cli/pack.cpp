// SPDX-License-Identifier: Apache-2.0
// openinfer pack: the same package with a graph embedded.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "codegen/cli/architectures.h"
#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/output_file.h"
#include "formats/opnf/writer.h"
#include "lib/base/fail.h"
#include "openinfer/sim.h"

namespace openinfer::cli {
namespace {

struct Options {
  std::string model, graph, output, layout = "rows";
};

void check_layout(const Model& model, const std::string& wanted) {
  if (wanted != "rows") fail(ErrorCode::unsupported, "[pack] --layout {} is not in this version; rows is", wanted);
  for (const auto& tensor : model.tensors())
    if (tensor.layout != wanted)
      fail(ErrorCode::unsupported, "[pack] tensor {} has layout {}: this version cannot rewrite it as {}", tensor.key,
           tensor.layout, wanted);
}

void write_package(const std::string& from, const std::string& graph, const std::string& to) try {
  const auto reader = opnf::Reader::open(from);
  opnf::Writer writer(to);
  writer.copy(reader);
  writer.erase(opnf::Section::graph, "main");
  writer.graph("main", graph);
  writer.write();
} catch (const opnf::Error& error) {
  fail(ErrorCode::io_error, "[pack] {}", error.what());
}

void run(const Options& options) {
  const Model model = open_model(options.model);
  check_layout(model, options.layout);
  const auto chosen = choose_graph(model, {.file = options.graph});
  const SimSession fits(model, chosen.graph);  // the package has every tensor that the graph declares
  write_package(options.model, to_text(chosen.graph), options.output);
  fmt::print(stderr, "openinfer: {}: {}, with the {}\n", options.output,
             size_text(std::filesystem::file_size(options.output)), chosen.origin);
}

}  // namespace

void add_pack(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("pack", "Write a package again with a graph embedded");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_option("--graph", options->graph, "Graph text (.oig); default: the graph that `run` would use");
  command->add_option("--layout", options->layout, "Of the weights")
      ->capture_default_str()
      ->check(CLI::IsMember({"rows", "panel16"}));
  command->add_option("-o,--output", options->output, "The new package")->required();
  command->footer(
      "Examples:\n  openinfer pack smollm2.oinf -o with_graph.oinf\n"
      "  openinfer pack smollm2.oinf --graph mine.oig -o mine.oinf");
  command->callback([options, &action] { action = [options] { run(*options); }; });
}

}  // namespace openinfer::cli
