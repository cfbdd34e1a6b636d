// SPDX-License-Identifier: Apache-2.0
// lib/ops/README.md's table of operators, dtypes and targets. OPENINFER_UPDATE_GOLDEN=1 writes it.
#include "tests/matrix/dtype_table.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/source_path.h"

using namespace openinfer;

namespace {

constexpr std::string_view kTableBegin = "<!-- generated: OPENINFER_UPDATE_GOLDEN=1 matrix_tests \"[dtypes]\" -->\n";
constexpr std::string_view kTableEnd = "<!-- /generated -->\n";

}  // namespace

TEST_CASE("the table of operators, dtypes and targets is what they take", "[dtypes]") {
  const std::string path = testing::source_path("lib/ops/README.md"), table = matrix::dtype_table();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::string readme = text.str();
  const std::size_t begin = readme.find(kTableBegin), end = readme.find(kTableEnd);
  REQUIRE(begin != readme.npos);
  REQUIRE(end != readme.npos);
  const std::size_t first = begin + kTableBegin.size();
  const std::string written = readme.substr(first, end - first);
  if (std::getenv("OPENINFER_UPDATE_GOLDEN") != nullptr)
    std::ofstream(path) << readme.replace(first, end - first, table);
  else
    CHECK(written == table);
}
