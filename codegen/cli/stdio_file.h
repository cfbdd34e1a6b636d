// SPDX-License-Identifier: Apache-2.0
// A std::FILE that closes itself.
#pragma once

#include <cstdio>
#include <memory>

namespace openinfer::cli {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using StdioFile = std::unique_ptr<std::FILE, CloseFile>;

}  // namespace openinfer::cli
