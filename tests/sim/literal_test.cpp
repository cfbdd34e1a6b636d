// SPDX-License-Identifier: Apache-2.0
// Numbers that no i64 holds.
#include <catch2/catch.hpp>

#include "test_ops.h"

using namespace sim_test;

TEST_CASE("a u64 literal above the largest i64 is computed with exactly") {
  GraphBuilder b;
  const std::vector<std::uint64_t> ones = {1, UINT64_MAX};
  const Value x = b.constant(Tensor(ones, {2}));
  CHECK(eval(x + UINT64_MAX) == Tensor(std::vector<std::uint64_t>{0, UINT64_MAX - 1}, {2}));
  CHECK(eval(eq(x, 18446744073709551615u)) == eval(eq(x, b.constant(Tensor::scalar(UINT64_MAX)))));
  CHECK(eval(b.constant(Tensor::scalar(0.0)) + (std::uint64_t{1} << 63)) == Tensor::scalar(0x1p63));
  CHECK(eval(b.constant(Tensor::scalar(0.0f)) + ((std::uint64_t{1} << 63) + 1)) == Tensor::scalar(0x1p63f));
}

TEST_CASE("a graph with a u64 literal comes back from its text and gives the same") {
  const Graph made = graph([](GraphBuilder& b) { b.output("y", b.input("x", u64, {1}) - (UINT64_MAX - 5)); });
  const Graph read = parse_graph(to_text(made));
  CHECK(to_text(read) == to_text(made));
  for (const Graph& g : {made, read})
    CHECK(SimSession(g).run_step({{"x", 10}})["y"] == Tensor(std::vector<std::uint64_t>{16}, {1}));
}

TEST_CASE("a u64 literal fits neither i64 nor i32") {
  GraphBuilder b;
  const Value x = b.input("x", i64, {2});
  CHECK_THROWS_WITH(x + UINT64_MAX, Catch::StartsWith("[literal] 18446744073709551615 does not fit i64"));
  CHECK_THROWS_WITH(b.output("y", UINT64_MAX), Catch::StartsWith("[literal] 18446744073709551615 does not fit i32"));
}
