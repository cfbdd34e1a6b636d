// SPDX-License-Identifier: Apache-2.0
// openinfer: parses the command line, runs one command, turns failures into one line and an exit code:
// 0 done, 1 the work failed, 2 wrong usage.
#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <sstream>
#include <string>
#include <string_view>

#include "codegen/cli/commands.h"
#include "codegen/cli/signals.h"
#include "codegen/cli/standard_output.h"
#include "codegen/cli/usage.h"
#include "openinfer/error.h"

namespace openinfer::cli {
namespace {

/// Ends with that exit code, after one line whatever the message holds.
int report(std::string message, int code = 1) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  print_beside("openinfer: error: " + message);
  return code;
}

int run(int argc, char** argv) {
  CLI::App app("openinfer: graphs over one memory-mapped model file");
  app.set_version_flag("--version", OPENINFER_VERSION);
  app.require_subcommand(1);
  app.footer("`openinfer COMMAND --help` shows a command's flags and two examples.");
  Action action;
  for (auto add : {add_inspect, add_verify, add_tokenize, add_detokenize, add_graph, add_pack, add_run, add_embed,
                   add_eval, add_convert, add_devices, add_cost, add_emit, add_explain, add_completion, add_man})
    add(app, action);
  try {
    check_command(app, argc, argv);
    app.parse(argc, argv);
    check_arguments(app);
    action();
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream text;
    app.exit(asked, text);
    print_out(text.str());
  } catch (const CLI::ParseError& error) {
    return report(usage_line(app, error), 2);
  } catch (const UsageError& error) {
    return report(error.what(), 2);
  }
  flush_out();
  return 0;
}

}  // namespace
}  // namespace openinfer::cli

int main(int argc, char** argv) {
  using namespace openinfer::cli;
  open_standard_files();
  catch_signals();
  try {
    if (argc > 1 && std::string_view(argv[1]) == "convert") exec_convert(argv + 2);
    return run(argc, argv);
  } catch (const openinfer::Error& error) {
    return report(error.what());
  } catch (const std::bad_alloc&) {
    return report("[memory] the machine has no memory left for this");
  } catch (const std::exception& error) {
    return report(fmt::format("[internal] {}", error.what()));
  }
}
