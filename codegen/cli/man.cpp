// SPDX-License-Identifier: Apache-2.0
// openinfer man: the manual page, in the man macros of troff.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "codegen/cli/commands.h"
#include "codegen/cli/option_table.h"
#include "codegen/cli/standard_output.h"
#include "lib/text/utf8.h"

namespace openinfer::cli {
namespace {

/// As troff takes it: a backslash and a hyphen as themselves, other characters than ASCII by number, no line that
/// begins as a request does.
std::string troff(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto step = text::utf8_step(text, at);
    const char c = text[at];
    if (step.code_point >= 128)
      result += fmt::format("\\[u{:04X}]", step.code_point);
    else if (c == '\\')
      result += "\\e";
    else if (c == '-')
      result += "\\-";
    else
      result += c == '\n' ? ' ' : c;
    at += step.length;
  }
  return result.starts_with('.') || result.starts_with('\'') ? "\\&" + result : result;
}

std::string bold(std::string_view text) { return "\\fB" + troff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + troff(text) + "\\fR"; }

/// Short enough for a line: not the names of all devices.
bool lists(const OptionRow& option) { return !option.words.empty() && option.words.size() <= 6; }

/// "-n, --max-tokens INT (default: 128)"
std::string head(const OptionRow& option) {
  if (option.positional) return italic(option.names.front());
  std::vector<std::string> names;
  for (const auto& name : option.names) names.push_back(bold(name));
  std::string text = fmt::format("{}", fmt::join(names, ", "));
  if (option.value.empty()) return text;
  text += " ";
  if (!lists(option))
    text += italic(option.value);
  else
    for (const auto& word : option.words) text += (&word == option.words.data() ? "" : "|") + bold(word);
  if (!option.initial.empty()) text += " (default: " + troff(option.initial) + ")";
  return text;
}

std::string body(const OptionRow& option) {
  std::string text = troff(option.description);
  if (option.positional && lists(option)) text += troff(fmt::format(" ({})", fmt::join(option.words, ", ")));
  return text;
}

/// "openinfer run M [PROMPT] [flags]"
std::string synopsis(const CommandRow& command) {
  std::string text = bold("openinfer " + command.name);
  bool flags = false;
  for (const OptionRow& option : command.options) {
    flags = flags || !option.positional;
    if (option.positional)
      text += option.required ? " " + italic(option.names.front()) : " [" + italic(option.names.front()) + "]";
  }
  return text + (flags ? " [" + italic("flags") + "]" : "");
}

std::string section(const CommandRow& command) {
  std::string text =
      fmt::format(".SS {}\n{}\n.PP\n{}\n", troff(command.name), synopsis(command), troff(command.description) + ".");
  for (const OptionRow& option : command.options) text += fmt::format(".TP\n{}\n{}\n", head(option), body(option));
  if (command.examples.empty()) return text;
  text += ".PP\nExamples:\n.PP\n.nf\n.RS\n";
  for (const auto& example : command.examples) text += troff(example) + "\n";
  return text + ".RE\n.fi\n";
}

std::string manual(const CLI::App& app) {
  const auto table = option_table(app);
  std::string text = fmt::format(
      ".\\\" Written by `openinfer man`.\n"
      ".TH OPENINFER 1 \"\" \"openinfer {}\" \"User Commands\"\n"
      ".SH NAME\nopeninfer \\- run, inspect and compile models out of one memory\\-mapped file\n"
      ".SH SYNOPSIS\n",
      troff(OPENINFER_VERSION));
  for (std::size_t i = 1; i < table.size(); ++i) text += synopsis(table[i]) + (i + 1 < table.size() ? "\n.br\n" : "\n");
  text +=
      ".SH DESCRIPTION\n"
      "A package (.oinf) holds what a model is: weights, hyperparameters, tokenizer. The answer of a command goes to "
      "standard output, for machines too; everything else, progress and timings, to standard error.\n"
      ".SH OPTIONS\n";
  for (const OptionRow& option : table.front().options)
    text += fmt::format(".TP\n{}\n{}\n", head(option), body(option));
  text += ".SH COMMANDS\n";
  for (std::size_t i = 1; i < table.size(); ++i) text += section(table[i]);
  return text +
         ".SH EXIT STATUS\n"
         ".TP\n0\nThe work is done.\n"
         ".TP\n1\nIt failed: one line on standard error says why.\n"
         ".TP\n2\nThe command line was wrong.\n"
         ".SH ENVIRONMENT\n"
         ".TP\n\\fBCXX\\fR\nThe compiler of backend cpu; else c++, g++ or clang++.\n"
         ".TP\n\\fBXDG_CACHE_HOME\\fR\nWhere compiled kernels are kept, in a folder openinfer; else ~/.cache.\n"
         ".TP\n\\fBOPENINFER_CACHE_SIZE\\fR\nHow large that folder grows (256MiB; else 1GiB): what was used longest "
         "ago goes.\n";
}

}  // namespace

void add_man(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("man", "Print the manual page");
  command->footer("Examples:\n  openinfer man | man -l -\n  openinfer man > /usr/local/share/man/man1/openinfer.1");
  command->callback([&app, &action] { action = [&app] { print_out(manual(app)); }; });
}

}  // namespace openinfer::cli
