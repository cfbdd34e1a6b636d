// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/option_table.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "codegen/devices/devices.h"

namespace openinfer::cli {
namespace {

/// "{sim,cpu}" within "TEXT:{sim,cpu}".
std::vector<std::string> listed(const std::string& type) {
  const auto begin = type.find('{'), end = type.find('}');
  std::vector<std::string> words;
  if (begin == type.npos || end == type.npos) return words;
  std::istringstream list(type.substr(begin + 1, end - begin - 1));
  for (std::string word; std::getline(list, word, ',');) words.push_back(word);
  return words;
}

std::vector<std::string> words_of(const CLI::App& command, const CLI::Option& option) {
  const bool device = option.check_lname("device") || option.check_lname("diff") ||
                      (command.get_name() == "devices" && option.get_positional());
  if (!device) return listed(option.get_type_name());
  return device_names();
}

OptionRow row_of(const CLI::Option& option) {
  OptionRow row = {.description = option.get_description(),
                   .positional = option.get_positional(),
                   .required = option.get_required(),
                   .repeats = option.get_expected_max() > 1 && option.get_expected_min() == 1};
  for (const auto& name : option.get_snames()) row.names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) row.names.push_back("--" + name);
  if (row.positional) row.names = {option.get_name(true)};
  if (row.positional || option.get_items_expected_max() == 0) return row;
  const std::string type = option.get_type_name();
  row.value = type.substr(0, std::min(type.find(':'), type.find('{')));
  if (row.value.empty()) row.value = "VALUE";
  row.initial = option.get_default_str();
  return row;
}

/// The footer's lines behind "Examples:".
std::vector<std::string> examples_of(const std::string& footer) {
  std::istringstream lines(footer);
  std::vector<std::string> examples;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("  ")) examples.push_back(line.substr(2));
  return examples;
}

CommandRow command_row(const CLI::App& command, const std::string& name) {
  CommandRow row = {
      .name = name, .description = command.get_description(), .examples = examples_of(command.get_footer())};
  for (const CLI::Option* option : command.get_options()) {
    row.options.push_back(row_of(*option));
    row.options.back().words = words_of(command, *option);
  }
  return row;
}

}  // namespace

std::vector<CommandRow> option_table(const CLI::App& app) {
  std::vector<CommandRow> rows = {command_row(app, "")};
  for (const CLI::App* command : app.get_subcommands({})) rows.push_back(command_row(*command, command->get_name()));
  return rows;
}

}  // namespace openinfer::cli
