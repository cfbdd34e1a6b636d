// SPDX-License-Identifier: Apache-2.0
// What differs between the sources that are emitted for two devices: for `openinfer devices --diff`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "codegen/cli/text_diff.h"
#include "codegen/emit/project.h"
#include "lib/base/device.h"

namespace openinfer::cli {

struct FileDifference {
  std::string path;
  bool in_first = false, in_second = false;
  std::size_t first_lines = 0, second_lines = 0;
  std::size_t removed = 0, added = 0;  // lines; of a file that both have
};

struct EmittedDiff {
  std::string of;  // what was emitted: "a llama of two layers …"
  std::size_t first_files = 0, second_files = 0, same = 0;
  std::vector<FileDifference> files = {};  // those that are not the same
  std::string unified = {};                // of files that both have
};

/// Emits the package's graph (or that of the text `graph`; "" for `package`: a small llama that is built in) for both,
/// in memory. Of a device that CUDA drives: its kernels and the plan, else the whole project. What compilers made is
/// left out. Errors: those of choose_graph, of the plan and of emit::project_files.
EmittedDiff emitted_diff(const std::string& package, const std::string& graph, const Device& first,
                         const Device& second);

}  // namespace openinfer::cli
