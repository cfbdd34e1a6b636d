// SPDX-License-Identifier: Apache-2.0
// Emitted sources as files, so that a change shows as a diff. OPENINFER_UPDATE_GOLDEN=1 writes them.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/source_path.h"

namespace openinfer::emit {

inline void check_golden(const std::string& file, const std::string& source) {
  const std::string path = testing::source_path("tests/emit/golden/" + file);
  if (std::getenv("OPENINFER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << source;
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  INFO(path);
  CHECK(source == text.str());
}

}  // namespace openinfer::emit
