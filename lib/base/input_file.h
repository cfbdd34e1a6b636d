// SPDX-License-Identifier: Apache-2.0
// A file to be read once, from its beginning to its end. Pipes are files here (a shell's <(…)), but one that nobody
// writes to is an error, not a process that hangs.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace openinfer {

struct CloseInputFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using InputFile = std::unique_ptr<std::FILE, CloseInputFile>;

/// Nothing, and the reason in `why`, where the file cannot be opened, or is a pipe that nobody opened for writing
/// within two seconds: a shell starts both ends at about the same time.
InputFile open_input(const std::string& path, std::string& why);

}  // namespace openinfer
