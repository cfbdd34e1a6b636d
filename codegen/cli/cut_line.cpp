// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/cut_line.h"

#include <fmt/format.h>

#include "codegen/cli/standard_output.h"

namespace openinfer::cli {

std::string& cut_line() {
  static std::string line = "openinfer: error: [package] a file was cut while it was open\n";
  return line;
}

void name_open_package(std::string_view path) {
  cut_line() = fmt::format("openinfer: error: [package] {} was cut while it was open\n", printable(path));
}

}  // namespace openinfer::cli
