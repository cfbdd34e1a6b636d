// SPDX-License-Identifier: Apache-2.0
// openinfer completion: scripts that complete commands, flags and their values in a shell.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <string_view>

#include "codegen/cli/commands.h"
#include "codegen/cli/option_table.h"
#include "codegen/cli/standard_output.h"

namespace openinfer::cli {
namespace {

using Table = std::vector<CommandRow>;

/// The text with each `what` written as `with`.
std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const bool here = text.substr(at).starts_with(what);
    result += here ? with : text.substr(at, 1);
    at += here ? what.size() : 1;
  }
  return result;
}

std::vector<std::string> flags_of(const CommandRow& command) {
  std::vector<std::string> flags;
  for (const OptionRow& option : command.options)
    if (!option.positional) flags.insert(flags.end(), option.names.begin(), option.names.end());
  return flags;
}

std::vector<std::string> positional_words(const CommandRow& command) {
  std::vector<std::string> words;
  for (const OptionRow& option : command.options)
    if (option.positional) words.insert(words.end(), option.words.begin(), option.words.end());
  return words;
}

std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < table.size(); ++i) names.push_back(table[i].name);
  return names;
}

/// No file has a number's name.
bool takes_files(const OptionRow& option) {
  return option.words.empty() && option.value != "INT" && option.value != "UINT" && option.value != "FLOAT";
}

std::string bash_case(const CommandRow& command) {
  std::string text = fmt::format("      {})\n        case $before in\n", command.name);
  std::vector<std::string> others;
  for (const OptionRow& option : command.options) {
    if (option.positional || option.value.empty()) continue;
    if (option.words.empty())
      others.insert(others.end(), option.names.begin(), option.names.end());
    else
      text +=
          fmt::format("          {}) words='{}' ;;\n", fmt::join(option.names, " | "), fmt::join(option.words, " "));
  }
  if (!others.empty()) text += fmt::format("          {}) ;;\n", fmt::join(others, " | "));
  text += fmt::format("          *) if [[ $current == -* ]]; then words='{}'; else words='{}'; fi ;;\n",
                      fmt::join(flags_of(command), " "), fmt::join(positional_words(command), " "));
  return text + "        esac ;;\n";
}

/// Where a word is no flag's and none of a list, bash completes a file's name.
std::string bash(const Table& table) {
  std::string text = fmt::format(
      "# bash completion of openinfer, written by `openinfer completion bash`\n"
      "_openinfer() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    words='{} {}'\n"
      "  else\n"
      "    case ${{COMP_WORDS[1]}} in\n",
      fmt::join(names_of(table), " "), fmt::join(flags_of(table.front()), " "));
  for (std::size_t i = 1; i < table.size(); ++i) text += bash_case(table[i]);
  return text +
         "    esac\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _openinfer openinfer\n";
}

std::string zsh_quoted(std::string_view text) {
  std::string escaped = replaced(text, "'", "'\\''");
  for (const char* mark : {"[", "]", ":"}) escaped = replaced(escaped, mark, std::string("\\") + mark);
  return escaped;
}

std::string zsh_value(const OptionRow& option) {
  if (!option.words.empty()) return fmt::format("({})", fmt::join(option.words, " "));
  return takes_files(option) ? "_files" : " ";
}

std::string zsh_option(const OptionRow& option) {
  if (option.positional) {
    return fmt::format("'{}:{}:{}'", option.repeats ? "*" : "", zsh_quoted(option.names.front()), zsh_value(option));
  }
  const std::string behind =
      fmt::format("[{}]{}", zsh_quoted(option.description),
                  option.value.empty() ? "" : fmt::format(":{}:{}", zsh_quoted(option.value), zsh_value(option)));
  if (option.repeats) return fmt::format("'*{}{}'", option.names.back(), behind);
  if (option.names.size() == 1) return fmt::format("'{}{}'", option.names.front(), behind);
  return fmt::format("'({})'{{{}}}'{}'", fmt::join(option.names, " "), fmt::join(option.names, ","), behind);
}

std::string zsh(const Table& table) {
  std::string text =
      "#compdef openinfer\n"
      "# zsh completion of openinfer, written by `openinfer completion zsh`\n"
      "_openinfer() {\n"
      "  if (( CURRENT == 2 )); then\n"
      "    local -a commands=(\n";
  for (std::size_t i = 1; i < table.size(); ++i)
    text += fmt::format("      '{}:{}'\n", table[i].name, replaced(table[i].description, "'", "'\\''"));
  for (const std::string& flag : flags_of(table.front())) text += fmt::format("      '{}'\n", flag);
  text +=
      "    )\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $words[1] in\n";
  for (std::size_t i = 1; i < table.size(); ++i) {
    text += fmt::format("    {})\n      _arguments -S", table[i].name);
    for (const OptionRow& option : table[i].options) text += " \\\n        " + zsh_option(option);
    text += " \\\n        '*:file:_files' ;;\n";
  }
  return text +
         "    *) _files ;;\n"
         "  esac\n"
         "}\n"
         "_openinfer \"$@\"\n";
}

std::string fish_quoted(std::string_view text) { return replaced(replaced(text, "\\", "\\\\"), "'", "\\'"); }

std::string fish_option(const CommandRow& command, const OptionRow& option) {
  std::string text = command.name.empty()
                         ? "complete -c openinfer -n __fish_use_subcommand"
                         : fmt::format("complete -c openinfer -n '__fish_seen_subcommand_from {}'", command.name);
  for (const std::string& name : option.names) {
    if (option.positional) continue;
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.words.empty())
    text += fmt::format(" {}-a '{}'", option.positional ? "" : "-x ", fmt::join(option.words, " "));
  else if (!option.value.empty())
    text += takes_files(option) ? " -r" : " -x";
  return text + fmt::format(" -d '{}'\n", fish_quoted(option.description));
}

std::string fish(const Table& table) {
  std::string text = "# fish completion of openinfer, written by `openinfer completion fish`\n";
  for (std::size_t i = 1; i < table.size(); ++i)
    text += fmt::format("complete -c openinfer -f -n __fish_use_subcommand -a {} -d '{}'\n", table[i].name,
                        fish_quoted(table[i].description));
  for (const CommandRow& command : table)
    for (const OptionRow& option : command.options)
      if (!option.positional || !option.words.empty()) text += fish_option(command, option);
  return text;
}

}  // namespace

void add_completion(CLI::App& app, Action& action) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Print a script that completes this command in a shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n  openinfer completion bash > /etc/bash_completion.d/openinfer\n  source <(openinfer completion "
      "bash)");
  command->callback([shell, &app, &action] {
    action = [shell, &app] {
      const Table table = option_table(app);
      print_out(*shell == "bash" ? bash(table) : *shell == "zsh" ? zsh(table) : fish(table));
    };
  });
}

}  // namespace openinfer::cli
