// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/entry_points.h"

#include <catch2/catch.hpp>
#include <string>

#include "openinfer/openinfer.h"

using namespace openinfer;
using plan::EntryOptions;
using plan::EntrySpec;

namespace {

Graph of_rows() {
  return parse_graph(
      "oig 1\ndim 1 <= N <= 2048\ndim 1 <= R <= 8\nconst #table : f32[2, 2] = {1, 2, 3, 4}\n"
      "graph (tok: i32[N], rows: i32[R]) -> (logits: f32[R, 2]) {\n"
      "  x = gather(#table, tok)\n  logits = gather(x, rows)\n  return logits\n}\n");
}

/// "decode N 1..1 R 1..1; prefill"
std::string text(const EntryOptions& options) {
  std::string all;
  for (const EntrySpec& entry : plan::entry_points(of_rows(), options, "test")) {
    all += (all.empty() ? "" : "; ") + entry.name;
    for (const auto& [symbol, range] : entry.dims)
      all += " " + symbol + " " + std::to_string(range.first) + ".." + std::to_string(range.second);
  }
  return all;
}

}  // namespace

TEST_CASE("the ways into a graph of rows: decode, and prefill of 512 or of as many as the graph allows") {
  CHECK(text({}) == "decode N 1..1 R 1..1; prefill N 1..512 R 1..8");
  CHECK(text({.prefill_rows = {}}) == "decode N 1..1 R 1..1; prefill N 1..2048 R 1..8");
  CHECK(text({.prefill_rows = {}, .at_most = {{"N", 100}, {"R", 9}}}) ==
        "decode N 1..1 R 1..1; prefill N 1..100 R 1..8");
  CHECK(text({.at_most = {{"N", 1000}}}) == "decode N 1..1 R 1..1; prefill N 1..512 R 1..8");
  CHECK(text({.entries = {{"all", {}}}}) == "all");
}
