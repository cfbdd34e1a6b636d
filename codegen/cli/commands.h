// SPDX-License-Identifier: Apache-2.0
// The commands of `openinfer`, one file each. add_* declares a command and its flags; when the command line chose
// it, `action` is what main() runs. Failures are Errors, wrong usage is told by usage.h.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace openinfer::cli {

using Action = std::function<void()>;

void add_inspect(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_detokenize(CLI::App& app, Action& action);
void add_graph(CLI::App& app, Action& action);
void add_pack(CLI::App& app, Action& action);
void add_run(CLI::App& app, Action& action);
void add_embed(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_convert(CLI::App& app, Action& action);
void add_devices(CLI::App& app, Action& action);
void add_cost(CLI::App& app, Action& action);
void add_emit(CLI::App& app, Action& action);
void add_explain(CLI::App& app, Action& action);
void add_completion(CLI::App& app, Action& action);
void add_man(CLI::App& app, Action& action);

/// Replaces this process by scripts/convert.py with the arguments behind `convert`; returns only by an Error.
[[noreturn]] void exec_convert(char** arguments);

}  // namespace openinfer::cli
