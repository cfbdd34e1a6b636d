// SPDX-License-Identifier: Apache-2.0
// openinfer convert: hands over to scripts/convert.py, which reads foreign checkpoints with their own libraries.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/cli/commands.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

namespace fs = std::filesystem;

/// <root>/scripts above the command in a build tree, or share/openinfer/scripts beside an installed one.
fs::path find_script() {
  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  for (fs::path folder = self.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    for (const char* place : {"scripts/convert.py", "share/openinfer/scripts/convert.py"})
      if (fs::exists(folder / place, ignored)) return folder / place;
  fail(ErrorCode::not_found,
       "[convert] scripts/convert.py is in no folder above {}: run the command that was built in the source "
       "tree, or that cmake --install made",
       self.string());
}

std::string find_python(const fs::path& script) {
  std::error_code ignored;
  const auto own = script.parent_path().parent_path() / "build/venv/bin/python";
  return fs::exists(own, ignored) ? own.string() : "python3";
}

}  // namespace

void exec_convert(char** arguments) {
  auto script = find_script().string();
  auto python = find_python(script);
  std::vector<char*> command = {python.data(), script.data()};
  for (char** argument = arguments; *argument; ++argument) command.push_back(*argument);
  command.push_back(nullptr);
  execvp(python.c_str(), command.data());
  fail(ErrorCode::not_found, "[convert] {}: {}: install Python 3.11 or newer", python, std::strerror(errno));
}

void add_convert(CLI::App& app, Action&) {
  // main() takes `convert` before CLI11 sees it, and flags and --help are the script's. These rows are for the manual
  // and the completions; tests/cli/shell_test.py holds them to the script's --help.
  auto* command =
      app.add_subcommand("convert", "Make a package from a GGUF file or a Hugging Face folder (scripts/convert.py)");
  const auto unused = std::make_shared<std::pair<std::string, bool>>();
  const auto add = [&](const char* names, const char* value, const char* description) {
    return command->add_option(names, unused->first, description)->type_name(value);
  };
  add("SRC", "",
      "a GGUF file (any part of a split one), a Hugging Face folder (config.json with safetensors or PyTorch "
      "weights), or a .safetensors, .npz, .pt, .pth or .bin file")
      ->required();
  add("-o,--output", "M.oinf", "the package; an old one is replaced when the new one is whole")->required();
  add("--quantize", "[PATTERN=]TYPE",
      "f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 for every tensor of two or more dimensions, or for those whose key or name in "
      "the checkpoint the regular expression finds (TYPE may then be keep); repeatable, the last pattern that matches "
      "counts");
  add("--arch", "A", "the table to use (scripts/architectures/A.json); none: keep the checkpoint's own names");
  add("--name", "N", "general.name of the package; default: the checkpoint's");
  add("--shard-size", "S", "put tensors into files of at most that size (64MiB, 1.5GiB) beside M.oinf");
  command->add_flag("--json", unused->second, "print one JSON document instead of the summary");
  command->footer(
      "Examples:\n  openinfer convert SmolLM2-135M-Instruct.Q4_1.gguf -o smollm2.oinf\n"
      "  openinfer convert my-llama/ -o my-llama.oinf --quantize q8_0 --quantize 'lm_head|embed=f16'");
  command->callback([unused] {});
}

}  // namespace openinfer::cli
