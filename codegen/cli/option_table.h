// SPDX-License-Identifier: Apache-2.0
// The commands and their flags as data, out of what --help prints them from: completion and the manual are made of it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace openinfer::cli {

struct OptionRow {
  std::vector<std::string> names = {};  // "-n", "--max-tokens"; of a positional argument its one name
  std::string value = {};               // what stands behind it: "TEXT"; empty: nothing does
  std::vector<std::string> words = {};  // the values there are; empty: any, a file perhaps
  std::string initial = {};             // the default that --help shows
  std::string description = {};
  bool positional = false;
  bool required = false;
  bool repeats = false;
};

struct CommandRow {
  std::string name = {};
  std::string description = {};
  std::vector<OptionRow> options = {};  // as declared, --help among them
  std::vector<std::string> examples = {};
};

/// The program's own row, whose name is empty, and then one for each command.
std::vector<CommandRow> option_table(const CLI::App& app);

}  // namespace openinfer::cli
