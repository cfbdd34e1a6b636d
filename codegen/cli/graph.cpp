// SPDX-License-Identifier: Apache-2.0
// openinfer graph: the graph that `run` would use, as text, as Graphviz source, or drawn by Graphviz.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "codegen/cli/architectures.h"
#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/output_file.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/stdio_file.h"
#include "codegen/cli/usage.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

struct GraphOptions {
  std::string model, graph, output;
  bool text = false, dot = false, svg = false, html = false;
};

/// The text as a file that has no name, so that nothing can stay behind.
StdioFile unnamed_file(const std::string& text) {
  const int fd = ::memfd_create("graph", 0);  // without MFD_CLOEXEC: dot opens it through its own /proc/self/fd
  StdioFile file(fd < 0 ? nullptr : ::fdopen(fd, "w"));
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0)
    fail(ErrorCode::io_error, "[graph] the drawing's source of {} bytes: {}", text.size(), std::strerror(errno));
  return file;
}

/// What `dot -Tsvg` makes of the source. Errors: unsupported without Graphviz; io_error.
std::string draw(const std::string& dot_source) {
  const StdioFile source = unnamed_file(dot_source);
  const auto command = fmt::format("dot -Tsvg /proc/self/fd/{} 2>/dev/null", ::fileno(source.get()));
  std::FILE* drawing = ::popen(command.c_str(), "r");
  if (!drawing) fail(ErrorCode::io_error, "[graph] cannot start Graphviz's dot: {}", std::strerror(errno));
  std::string svg;
  char buffer[1 << 16];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, drawing)) svg.append(buffer, count);
  const int status = ::pclose(drawing);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    fail(ErrorCode::unsupported, "[graph] Graphviz's dot is not installed: install graphviz, or take --dot elsewhere");
  if (status != 0 || svg.find("<svg") == svg.npos) fail(ErrorCode::io_error, "[graph] Graphviz's dot has failed");
  return svg;
}

/// One page that needs nothing else: the drawing and the text.
std::string page(const std::string& svg, const std::string& text) {
  std::string escaped;
  for (char c : text) escaped += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>graph</title></head>\n<body>\n" +
         svg.substr(svg.find("<svg")) + "\n<pre>\n" + escaped + "</pre>\n</body></html>\n";
}

std::string rendered(const Graph& graph, const GraphOptions& options) {
  if (options.dot) return to_dot(graph);
  if (options.svg) return draw(to_dot(graph));
  if (options.html) return page(draw(to_dot(graph)), to_text(graph));
  return to_text(graph);
}

void run_graph(const GraphOptions& options) {
  if (options.model.empty() && options.graph.empty()) throw UsageError("graph: give a package, or --graph F.oig");
  if (!options.output.empty() && same_file(options.output, options.model))
    throw UsageError(fmt::format("graph: -o {} would replace the package", options.output));
  const Graph graph = options.model.empty() ? read_graph(options.graph)
                                            : choose_graph(open_model(options.model), {.file = options.graph}).graph;
  const std::string text = rendered(graph, options);
  if (options.output.empty())
    print_out(text);
  else
    write_file(options.output, text);
}

}  // namespace

void add_graph(CLI::App& app, Action& action) {
  auto options = std::make_shared<GraphOptions>();
  auto* command = app.add_subcommand("graph", "Print the graph that `run` would use");
  command->add_option("M", options->model, "Package (.oinf); may be left out with --graph");
  command->add_option("--graph", options->graph,
                      "Read this graph text instead (.oig); a pipe is read until its writer closes it");
  auto* text = command->add_flag("--text", options->text, "As text, .oig (default)");
  auto* dot = command->add_flag("--dot", options->dot, "As Graphviz source")->excludes(text);
  auto* svg = command->add_flag("--svg", options->svg, "Drawn, as SVG (needs Graphviz)")->excludes(text)->excludes(dot);
  command->add_flag("--html", options->html, "A page with drawing and text (needs Graphviz)")
      ->excludes(text)
      ->excludes(dot)
      ->excludes(svg);
  command->add_option("-o,--output", options->output, "Write to this file");
  command->footer(
      "Examples:\n  openinfer graph smollm2.oinf --text -o smollm2.oig\n  openinfer graph smollm2.oinf --html -o "
      "graph.html");
  command->callback([options, &action] { action = [options] { run_graph(*options); }; });
}

}  // namespace openinfer::cli
