// SPDX-License-Identifier: Apache-2.0
// openinfer graph: the graph that `run` would use, as text or as Graphviz source.
#include <cstdio>
#include <memory>

#include "codegen/cli/architectures.h"
#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/output_file.h"

namespace openinfer::cli {
namespace {

struct Options {
  std::string model, graph, output;
  bool text = false, dot = false;
};

void run(const Options& options) {
  if (options.model.empty() && options.graph.empty()) throw UsageError("graph: give a package, or --graph F.oig");
  const Graph graph = options.model.empty() ? parse_graph(read_text(options.graph), options.graph)
                                            : choose_graph(open_model(options.model), {.file = options.graph}).graph;
  const auto text = options.dot ? to_dot(graph) : to_text(graph);
  if (options.output.empty())
    std::fwrite(text.data(), 1, text.size(), stdout);
  else
    write_file(options.output, text);
}

}  // namespace

void add_graph(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("graph", "Print the graph that `run` would use");
  command->add_option("M", options->model, "Package (.oinf); may be left out with --graph");
  command->add_option("--graph", options->graph, "Read this graph text instead (.oig)");
  auto* text = command->add_flag("--text", options->text, "As text, .oig (default)");
  command->add_flag("--dot", options->dot, "As Graphviz source")->excludes(text);
  command->add_option("-o,--output", options->output, "Write to this file");
  command->footer(
      "Examples:\n  openinfer graph smollm2.oinf --text -o smollm2.oig\n  openinfer graph smollm2.oinf --dot | dot "
      "-Tsvg > graph.svg");
  command->callback([options, &action] { action = [options] { run(*options); }; });
}

}  // namespace openinfer::cli
