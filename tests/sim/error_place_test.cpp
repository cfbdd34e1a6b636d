// SPDX-License-Identifier: Apache-2.0
// Every error of running names a line: that of the graph's node it belongs to, else that of the session's caller.
//
// Some cannot: what a watcher throws is the watcher's own; reset, save and stats do not fail.
#include "test_ops.h"
#include "test_package.h"
#include "tests/graph/check_place.h"

using namespace sim_test;

namespace {

/// y = x + 1, and z, whose size nothing but the input m tells.
struct Built {
  int z_line = 0;
  Graph g = graph([&](GraphBuilder& b) {
    const Dim N = b.dim("N", 1, 8), M = b.dim("M", 1, 8);
    const Value x = b.input("x", f32, {N});
    (void)b.input("m", f32, {M});
    (void)b.state("s", tensor_state(f32, {2}));
    b.output("y", x + 1);
    z_line = __LINE__ + 1;
    b.output("z", fill(b, {M}, 2));
  });
};

}  // namespace

// clang-format off: CHECK_PLACE and what it checks stand on one line.

TEST_CASE("making a session names the caller's line") {
  const Built built;
  CHECK_PLACE("this Graph is empty", SimSession(Graph{}));
  CHECK_PLACE("the graph has no dimension 'K'", SimSession(built.g, {.dims = {{"K", 1}}}));
  CHECK_PLACE("N = 9 is outside [1, 8]", SimSession(built.g, {.dims = {{"N", 9}}}));
  CHECK_PLACE("threads = -1", SimSession(built.g, {.threads = -1}));
  const Graph big = graph([](GraphBuilder& b) { (void)b.state("s", tensor_state(f32, {b.dim("C"), b.dim("D")})); });
  CHECK_PLACE("[state] $s", SimSession{big});
  TestPackage package("openinfer_sim_place");
  package.add<float>("A", {2}, {1, 2});
  const Model model = package.open();
  const Graph other =
      parse_graph("oig 1\nweight @B : f32[2]\ngraph () -> (y: f32[2]) {\n  y = exp(@B)\n  return y\n}\n");
  try {
    SimSession{model, other};
    FAIL_CHECK("no error was thrown");
  } catch (const Error& e) {
    CHECK(e.where() == "graph.oig:4");  // the line that names the tensor
  }
}

TEST_CASE("a step names the caller's line") {
  const Built built;
  SimSession sim(built.g);
  CHECK_PLACE("the graph has no input 'w'", sim.run_step({{"w", 1}}));
  CHECK_PLACE("'x' is given twice", sim.run_step({{"x", {1}}, {"x", {1}}}));
  CHECK_PLACE("'x', which is f32[N], is missing", sim.run_step({{"m", {1}}}, {"y"}, {}));
  CHECK_PLACE("the tensor given has shape (1, 1)", sim.run_step({{"x", Tensor(f32, {1, 1})}}));
  CHECK_PLACE("the tensor given holds i32", sim.run_step({{"x", Tensor(i32, {1})}}, {"y"}));
  CHECK_PLACE("N = 9 is outside [1, 8]; it comes from dimension 0 of input 'x'",
              sim.run_step({{"x", Tensor(f32, {9})}}));
  CHECK_PLACE("the graph has no output 'w'", sim.run_step({{"x", {1}}}, {"w"}));
  CHECK_PLACE("the step gave no 'z'", (void)sim.run_step({{"x", {1}}}, {"y"})["z"]);
  CHECK_PLACE("no step was begun", (void)sim.next());
  CHECK_PLACE("no step was begun", (void)sim.finish());
  CHECK_PLACE("the graph has no input 'w'", sim.begin({{"w", 1}}));
}

TEST_CASE("what nothing binds names the node that wants it") {
  const Built built;
  SimSession sim(built.g);
  check_place({__FILE__, built.z_line}, "[dim] nothing binds M: give input 'm'", [&] { sim.run_step({{"x", {1}}}); });
}

TEST_CASE("looking on names the caller's line") {
  const Built built;
  SimSession sim(built.g);
  CHECK_PLACE("the graph has no value 'w'", sim.watch("w", [](const Watched&) {}));
  CHECK_PLACE("nobody watches 'y'", sim.unwatch("y"));
  CHECK_PLACE("the snapshot has 0 states and the session 1", sim.restore({}));
  CHECK_PLACE("/dev/null/trace.json: cannot create", sim.trace("/dev/null/trace.json"));
}

TEST_CASE("eval names the caller's line") {
  GraphBuilder b;
  const Value x = b.input("x", f32, {2});
  Value inside;
  b.loop("l", 0, 2, [&](Index) { inside = b.constant(Tensor{1.0f}) + 1; });
  CHECK_PLACE("the value is empty", (void)eval(Value()));
  CHECK_PLACE("depends on input 'x'", (void)eval(x + 1));
  CHECK_PLACE("lives inside a loop or branch", (void)eval(inside));
  b.output("y", x);
  (void)b.build();
  CHECK_PLACE("the graph is built", (void)eval(x));
}
