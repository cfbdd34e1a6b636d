// SPDX-License-Identifier: Apache-2.0
// What tests of the text form share.
#pragma once

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "tests/graph/test_ops.h"
#include "tests/source_path.h"

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  INFO(path.string());
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::filesystem::path> golden_texts() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(openinfer::testing::source_path("tests/graph")))
    if (entry.path().extension() == ".oig") paths.push_back(entry.path());
  REQUIRE(paths.size() >= 2);
  return paths;
}

inline openinfer::Graph parse(std::string_view text) {
  return openinfer::parse_graph(text, "test.oig", test_ops::all());
}

/// What the graph of `text` prints as, which must parse and print as the same.
inline std::string printed(std::string_view text) {
  const std::string once = openinfer::to_text(parse(text));
  CHECK(openinfer::to_text(parse(once)) == once);
  return once;
}

/// The message of the Error that f throws, which must not be internal; "" if it throws none.
inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const openinfer::Error& e) {
    if (e.code() == openinfer::ErrorCode::internal) FAIL_CHECK(e.what());
    return e.what();
  }
  return "";
}
inline std::string parse_error(std::string_view text) {
  return error_of([&] { parse(text); });
}
