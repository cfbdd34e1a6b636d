// SPDX-License-Identifier: Apache-2.0
// openinfer convert: hands over to scripts/convert.py, which reads foreign checkpoints with their own libraries.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
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
  fail(ErrorCode::not_found, "[convert] scripts/convert.py is in no folder above {}: run it from the source tree",
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
  // main() takes `convert` before CLI11 sees it: flags and --help are the script's.
  app.add_subcommand("convert", "Make a package from a GGUF file or a Hugging Face folder (scripts/convert.py)");
}

}  // namespace openinfer::cli
