// SPDX-License-Identifier: Apache-2.0
// A step: inputs in, symbols bound, needed nodes run, outputs out.
#include <catch2/catch.hpp>

#include "test_ops.h"

using namespace sim_test;
using Catch::Contains;

namespace {

Graph two_outputs() {
  return graph([](GraphBuilder& b) {
    auto n = b.dim("N", 1, 8);
    auto x = b.input("x", f32, {n, 2});
    auto y = b.input("y", f32, {n, 2});
    b.output("sum", plus(x, y));
    b.output("kept", checked(plus(x, 1.0)));
  });
}

}  // namespace

TEST_CASE("a step computes its outputs from its inputs") {
  SimSession sim(two_outputs());
  const Tensor x = of({1.f, 2.f, 3.f, 4.f}, {2, 2});
  const Tensor y = of({10.f, 20.f, 30.f, 40.f}, {2, 2});
  const auto out = sim.run_step({{"x", x}, {"y", y}});
  CHECK(floats(out["sum"]) == std::vector<float>{11, 22, 33, 44});
  CHECK(out["sum"].shape() == Extents{2, 2});
  CHECK(floats(out["kept"]) == std::vector<float>{2, 3, 4, 5});
  CHECK(message_of([&] { static_cast<void>(out["sun"]); }) ==
        "[output] the step gave no 'sun'; there is 'kept', 'sum'");
  CHECK(sim.stats().steps == 1);
  CHECK(sim.stats().nodes_run == 3);
}

TEST_CASE("shapes follow the inputs from step to step") {
  SimSession sim(two_outputs());
  for (int n : {1, 3, 1, 8}) {
    const Tensor x(std::vector<float>(static_cast<std::size_t>(2 * n), 1.f), {n, 2});
    CHECK(sim.run_step({{"x", x}, {"y", x}})["sum"].shape() == Extents{n, 2});
  }
}

TEST_CASE("a node that no wanted output needs does not run, nor is its input asked for") {
  SimSession sim(two_outputs());
  checked_runs() = 0;
  const Tensor x = of({-5.f, 0.f}, {1, 2});
  const auto out = sim.run_step({{"x", x}, {"y", x}}, {"sum"});
  CHECK(checked_runs() == 0);
  CHECK(out.all().size() == 1);
  CHECK(floats(sim.run_step({{"x", row({1, 2})}}, {"kept"})["kept"]) == std::vector<float>{2, 3});
  CHECK(checked_runs() == 1);
  CHECK_THAT(error_of([&] {
               sim.run_step({{"x", x}}, {"sums"});
             }),
             Contains("[output] the graph has no output 'sums'; there is 'sum', 'kept'"));
}

TEST_CASE("inputs are refused by name") {
  SimSession sim(two_outputs());
  const auto error = [&](const Inputs& inputs) { return message_of([&] { sim.run_step(inputs); }); };
  const Tensor x = row({1, 2});
  CHECK(error({{"x", x}}) == "[input] 'y', which is f32[N, 2], is missing");
  CHECK(error({{"x", x}, {"z", x}}) == "[input] the graph has no input 'z'; there is 'x', 'y'");
  CHECK(error({{"x", x}, {"x", x}}) == "[input] 'x' is given twice");
  CHECK(error({{"x", x}, {"y", of({1, 2, 3}, {1, 3})}}) == "[input] dimension 1 of 'y' is 3, not 2");
  CHECK(error({{"x", x}, {"y", of({1, 2}, {1, 2})}}) == "[input] 'y' is f32[N, 2]; the tensor given holds i32");
  CHECK(error({{"x", x}, {"y", of({1.f, 2.f}, {2})}}) == "[input] 'y' is f32[N, 2]; the tensor given has shape (2)");
  CHECK(error({{"x", x}, {"y", Tensor(std::vector<float>(6), {3, 2})}}) ==
        "[input] dimension 0 of 'y' is 3, not N (N = 1 from dimension 0 of input 'x')");
  CHECK(error({{"x", Tensor(std::vector<float>(18), {9, 2})}, {"y", x}}) ==
        "[dim] N = 9 is outside [1, 8]; it comes from dimension 0 of input 'x'");
  CHECK(error({{"x", x}, {"y", {1.0, 2.0, 3.0}}}) == "[input] 3 numbers do not fill 'y', which is f32[N, 2] = (1, 2)");
  CHECK(floats(sim.run_step({{"x", x}, {"y", x}})["sum"]) == std::vector<float>{2, 4});  // still usable
}

TEST_CASE("numbers take the dtype and shape of their input") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto n = b.dim("N", 1, 8);
    b.output("ids", same(b.input("ids", i32, {n})));
    b.output("step", same(b.input("step", i32, {})));
    b.output("mask", same(b.input("mask", u8, {n, 1, 2})));
    b.output("half", same(b.input("half", f16, {2 * n + 1})));
    b.output("flag", same(b.input("flag", boolean, {})));
  }));
  const auto run = [&](InputValue ids, InputValue step, InputValue mask, InputValue half, InputValue flag) {
    return sim.run_step({{"ids", ids}, {"step", step}, {"mask", mask}, {"half", half}, {"flag", flag}});
  };
  const auto out = run({7, 8}, 3, {1, 0, 0, 255}, {0.5, 1.0, -2.0, 65504.0, 1e-8}, true);
  CHECK(out["ids"] == Tensor({7, 8}));
  CHECK(out["step"] == Tensor::scalar(3));
  CHECK(out["mask"] == Tensor(std::vector<std::uint8_t>{1, 0, 0, 255}, {2, 1, 2}));
  CHECK(out["half"] == Tensor(std::vector<Half>{Half(0.5f), Half(1.f), Half(-2.f), Half(65504.f), Half(1e-8f)}, {5}));
  CHECK(out["flag"].data<bool>()[0]);
  CHECK(run({7}, 3, {1, 2}, {1, 2, 3}, 0)["half"].shape() == Extents{3});
  const auto error = [&](InputValue ids, InputValue mask, InputValue half, InputValue flag) {
    return message_of([&] { run(ids, 0, mask, half, flag); });
  };
  CHECK(error({1}, {1, 256}, {1, 2, 3}, 0) == "[input] 'mask' is u8[N, 1, 2], which cannot hold 256");
  CHECK(error({1}, {1, -1}, {1, 2, 3}, 0) == "[input] 'mask' is u8[N, 1, 2], which cannot hold -1");
  CHECK(error({1}, {1, 1}, {1e6, 2.0, 3.0}, 0) == "[input] 'half' is f16[2*N + 1], which cannot hold 1000000");
  CHECK(error({1.5}, {1, 1}, {1, 2, 3}, 0) == "[input] 'ids' is i32[N], which cannot hold 1.5");
  CHECK(error({1}, {1, 1}, {1, 2, 3}, 2) == "[input] 'flag' is bool[], which cannot hold 2");
  CHECK(error({1}, {1, 1}, {1, 2}, 0) == "[input] 2 numbers do not fill 'half', which is f16[2*N + 1] = (3)");
}

TEST_CASE("symbols come from options, inputs, or their upper bounds") {
  const auto g = graph([](GraphBuilder& b) {
    auto n = b.dim("N", 1, 8);
    auto ctx = b.dim("ctx", 2, 6);
    auto kept = b.state("kept", tensor_state(f32, {ctx}));
    poke(kept, plus(same(peek(kept)), 1.0));
    b.output("y", peek(kept));
    b.output("x", same(b.input("x", f32, {n})));
  });
  CHECK(SimSession(g).run_step({{"x", {1.0}}})["y"].shape() == Extents{6});
  CHECK(SimSession(g, {.dims = {{"ctx", 3}}}).run_step({{"x", {1.0}}})["y"].shape() == Extents{3});
  CHECK(message_of([&] {
          SimSession(g, {.dims = {{"ctx", 7}}});
        }) == "[dim] ctx = 7 is outside [2, 6]; it comes from the session's options");
  CHECK(message_of([&] {
          SimSession(g, {.dims = {{"ctz", 3}}});
        }) == "[dim] the graph has no dimension 'ctz'; there is 'N', 'ctx'");
  CHECK_THAT(error_of([&] {
               SimSession(g, {.dims = {{"N", 2}}}).run_step({{"x", {1.0}}});
             }),
             Contains("1 numbers do not fill 'x', which is f32[N] = (2)"));
  CHECK(message_of([&] { SimSession(g).run_step({}, {"x"}); }) == "[input] 'x', which is f32[N], is missing");
}

TEST_CASE("an operator's error names its line, and the session goes on") {
  int line = 0;
  const auto g = graph([&](GraphBuilder& b) {
    auto x = b.input("x", f32, {64});
    line = __LINE__ + 1;
    b.output("y", checked(x));
  });
  std::vector<float> values(64, 1.f);
  SimSession sim(g, {.threads = 3});
  values[9] = values[40] = -1;
  const auto message = "[checked] element 9 is negative at session_test.cpp:" + std::to_string(line);
  for (int i = 0; i < 20; ++i) CHECK(error_of([&] { sim.run_step({{"x", values}}); }) == message);
  values[9] = values[40] = 1;
  CHECK(floats(sim.run_step({{"x", values}})["y"]) == values);
}

TEST_CASE("a view of an operand stays alive when the operand dies") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = plus(b.input("x", f32, {1, 2}), 1.0);
    b.output("y", plus(same(same(x)), 1.0));
  }));
  CHECK(floats(sim.run_step({{"x", row({1, 2})}})["y"]) == std::vector<float>{3, 4});
}

TEST_CASE("eval runs one value of an open graph") {
  GraphBuilder b;
  auto x = b.constant(Tensor({1.f, 2.f}));
  auto y = plus(x, 2.0);
  CHECK(floats(eval(y)) == std::vector<float>{3, 4});
  CHECK(floats(eval(plus(y, y))) == std::vector<float>{6, 8});
  auto in = b.input("given", f32, {2});
  auto z = plus(in, x);
  CHECK_THAT(error_of([&] { eval(z); }), Contains("'plus.2' depends on input 'given'"));
  const Value end = b.loop("l", 0, 2, y, [&](Index, Value v) {
    CHECK_THAT(error_of([&] { eval(plus(v, 1.0)); }), Contains("lives inside a loop or branch"));
    CHECK(floats(eval(y)) == std::vector<float>{3, 4});
    return v;
  });
  CHECK_THAT(error_of([] { eval(Value()); }), Contains("[eval] the value is empty"));
  b.output("end", end);
  b.output("z", z);
  b.build();
  CHECK_THAT(error_of([&] { eval(y); }), Contains("[eval] the graph is built"));
}
