// SPDX-License-Identifier: Apache-2.0
// Passes as text before and after, and the order, dumps and refusals of running them.
#include "lib/graph/ir.h"
#include "lib/passes/pipeline.h"
#include "tests/graph/text.h"

using namespace openinfer;

namespace {

std::string with_state(const std::string& body) {
  return "oig 1\nweight @w.{0..4} : f32[4, 4]\nweight @m : f32[4, 4]\nstate $s : tensor(f32, shape=[4])\n"
         "graph (x: f32[4], p: bool[]) -> (y: f32[4]) {\n" +
         body + "\n}\n";
}

/// Dead nodes of `before` are gone in `after`; the rest is the same text.
void check_dead(const std::string& before, const std::string& after) {
  const Graph g = parse(with_state(before));
  CHECK(to_text(Graph(dead_nodes(g.shared()))) == printed(with_state(after)));
}

GraphPtr break_names(const GraphPtr& g, const PassOptions&) {
  auto broken = std::make_shared<GraphData>(*g);
  for (ValueInfo& v : broken->values)
    if (!v.name.empty()) v.name = "no name";
  return broken;
}

}  // namespace

TEST_CASE("what_nothing_needs_is_left_out") {
  check_dead("a = silu(x)\nb = silu(a)\nc = x * 2\nreturn c", "c = x * 2\nreturn c");
  check_dead("for l in 0..4 {\nh = matmul(x, @w.{l})\n}\nreturn x", "return x");
}

TEST_CASE("a_graph_without_dead_nodes_is_the_same_graph") {
  const Graph g = parse(with_state("state_write($s, x)\nc = x * 2 at model.cpp:3\nreturn c"));
  CHECK(run_passes(g, compilation_passes()).graph.shared() == g.shared());
}

TEST_CASE("writes_stay_and_unused_reads_go") {
  check_dead(
      "for l in 0..4 carry $s {\na = state_read($s)\nb = a + x\nstate_write($s, b)\nc = state_read($s)\n}\nreturn x",
      "for l in 0..4 carry $s {\na = state_read($s)\nb = a + x\nstate_write($s, b)\n}\nreturn x");
  check_dead("for l in 0..4 carry $s {\na = state_read($s)\n}\nreturn x", "return x");
  check_dead("$s = if p {\nstate_write($s, x)\n} else {\na = silu(x)\n}\nreturn x",
             "$s = if p {\nstate_write($s, x)\n} else {\n}\nreturn x");
}

TEST_CASE("carried_values_and_results_of_branches_that_nobody_uses_go") {
  check_dead("for l in 0..4 carry a = x, b = x {\nc = silu(a)\nd = silu(b)\nnext c, d\n}\nreturn a",
             "for l in 0..4 carry a = x {\nc = silu(a)\nnext c\n}\nreturn a");
  // b is not read behind the loop, but a is made of it.
  check_dead("for l in 0..4 carry a = x, b = x {\nc = a + b\nd = silu(b)\nnext c, d\n}\nreturn a",
             "for l in 0..4 carry a = x, b = x {\nc = a + b\nd = silu(b)\nnext c, d\n}\nreturn a");
  check_dead("u, v = if p {\na = silu(x)\nb = x * 2\nnext a, b\n} else {\nnext x, x\n}\nreturn v",
             "v = if p {\nb = x * 2\nnext b\n} else {\nnext x\n}\nreturn v");
}

TEST_CASE("constants_that_nothing_names_go") {
  const std::string signature = "graph (x: f32[2]) -> (y: f32[2]) {\n";
  const Graph g = parse("oig 1\nconst #a : f32[2] = {1, 2}\nconst #b : f32[2] = {3, 4}\nconst #c : f32[] = {5}\n" +
                        signature + "d = x + #a\ny = x * #b\nreturn y\n}\n");
  CHECK(to_text(Graph(dead_nodes(g.shared()))) ==
        printed("oig 1\nconst #b : f32[2] = {3, 4}\n" + signature + "y = x * #b\nreturn y\n}\n"));
}

TEST_CASE("hints_and_locations_survive_a_rewrite") {
  check_dead("dead = silu(x)\nc = matmul(x, @m) % {variant=\"mma\", tile=[8]} at model.cpp:9\nreturn c",
             "c = matmul(x, @m) % {variant=\"mma\", tile=[8]} at model.cpp:9\nreturn c");
}

TEST_CASE("runs_are_counted_and_dumped_on_request") {
  const Graph g = parse(with_state("dead = silu(x)\nc = x * 2\nreturn c"));
  std::vector<std::string> dumps;
  const PassOptions options{{"dead_nodes"}, [&](const PassDump& d) {
                              dumps.push_back(std::string(d.pass));
                              CHECK(d.before.find("dead = silu") != std::string::npos);
                              CHECK(d.after.find("dead = silu") == std::string::npos);
                            }};
  const PassResult result = run_passes(g, compilation_passes(), options);
  CHECK(dumps == std::vector<std::string>{"dead_nodes"});
  REQUIRE(result.runs.size() == compilation_passes().size());
  CHECK(result.runs[4].pass == "dead_nodes");
  CHECK(result.runs[4].nodes_before == 3);
  CHECK(result.runs[4].nodes_after == 2);
  CHECK(error_of([&] { run_passes(g, compilation_passes(), {.dump = {"dead_node"}}); }) ==
        "[passes] no pass is called 'dead_node'; did you mean 'dead_nodes'?");
}

TEST_CASE("a_pass_that_breaks_the_graph_is_a_bug_and_named") {
  const GraphPass passes[] = {{"break_names", break_names}};
  try {
    run_passes(parse(with_state("return x")), passes);
    FAIL("the broken graph went through");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::internal);
    CHECK(std::string(e.what()).starts_with("[break_names] the pass made a graph that does not verify"));
  }
}
