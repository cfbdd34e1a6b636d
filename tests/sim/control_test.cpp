// SPDX-License-Identifier: Apache-2.0
// Loops and branches: what runs, how often, and what is left alone.
#include <catch2/catch.hpp>

#include "test_ops.h"

using namespace sim_test;
using Catch::Contains;

namespace {

float only(const Tensor& t) {
  REQUIRE(t.count() == 1);
  return t.data<float>()[0];
}

}  // namespace

TEST_CASE("a loop carries values through its turns") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    b.output("y", b.loop("l", 0, 5, x, [&](Index, Value v) { return plus(v, 2.0); }));
    b.output("none", b.loop("l", 3, 3, x, [&](Index, Value v) { return plus(v, 2.0); }));
  }));
  const auto out = sim.run_step({{"x", {1.0}}});
  CHECK(only(out["y"]) == 11);
  CHECK(only(out["none"]) == 1);
}

TEST_CASE("carried values may change places") {
  SimSession sim(graph([](GraphBuilder& b) {
    Value x = b.input("x", f32, {1}), y = b.input("y", f32, {1});
    std::tie(x, y) = b.loop("l", 0, 7, carry(x, y), [&](Index, Value p, Value q) { return carry(q, plus(p, q)); });
    b.output("a", x);
    b.output("b", y);
  }));
  const auto out = sim.run_step({{"x", {0.0}}, {"y", {1.0}}});  // Fibonacci
  CHECK(only(out["a"]) == 13);
  CHECK(only(out["b"]) == 21);
}

TEST_CASE("a carried value that nobody wants is not computed") {
  SimSession sim(graph([](GraphBuilder& b) {
    Value x = b.input("x", f32, {1}), y = b.input("y", f32, {1});
    std::tie(x, y) =
        b.loop("l", 0, 4, carry(x, y), [&](Index, Value p, Value q) { return carry(plus(p, 1.0), checked(q)); });
    b.output("a", x);
    b.output("b", y);
  }));
  checked_runs() = 0;
  CHECK(only(sim.run_step({{"x", {1.0}}}, {"a"})["a"]) == 5);
  CHECK(checked_runs() == 0);
  CHECK(only(sim.run_step({{"y", {1.0}}}, {"b"})["b"]) == 1);
  CHECK(checked_runs() == 4);
}

TEST_CASE("a carried value that another one uses is computed though nobody wants what it ends as") {
  SimSession sim(graph([](GraphBuilder& b) {
    Value x = b.input("x", f32, {1}), y = b.input("y", f32, {1});
    std::tie(x, y) =
        b.loop("l", 0, 3, carry(x, y), [&](Index, Value p, Value q) { return carry(plus(p, q), plus(q, 1.0)); });
    b.output("a", x);
  }));
  CHECK(only(sim.run_step({{"x", {0.0}}, {"y", {1.0}}})["a"]) == 6);
}

TEST_CASE("loops nest, capture outer values, and read tables and indices") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto outside = plus(b.input("x", f32, {1}), 0.0);
    auto table = b.table("t", {1.f, 10.f, 100.f});
    auto rows = b.constant("rows", of({1, 2, 3, 4}, {2, 2}));
    auto sum = b.loop("i", 0, 2, outside, [&](Index i, Value v) {
      auto inner = b.loop("j", 0, 2, v, [&](Index j, Value w) { return plus(plus(w, table[j + 1]), outside); });
      return plus(inner, table[i]);
    });
    b.output("sum", sum);
    b.output("rows", rows);
    b.output("last",
             b.loop("k", 0, 4, b.constant(Tensor::scalar(0)), [&](Index k, Value) { return same(b.value(k)); }));
  }));
  const auto out = sim.run_step({{"x", {0.5}}});
  CHECK(only(out["sum"]) == 0.5f + 4 * 0.5f + 2 * 110 + 11);
  CHECK(out["rows"] == of({1, 2, 3, 4}, {2, 2}));
  CHECK(out["last"] == Tensor::scalar(3));
}

TEST_CASE("a table's row leaves the graph as itself") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto table = b.table("t", {1.f, 10.f, 100.f});
    auto zero = b.constant(Tensor::scalar(0.f));
    b.output("y", b.loop("l", 0, 2, zero, [&](Index l, Value) { return table[l]; }));
  }));
  CHECK(sim.run_step({})["y"] == Tensor::scalar(10.f));
}

TEST_CASE("cond runs the taken branch alone") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto i = b.input("i", i32, {});
    auto x = b.input("x", f32, {1});
    b.output("y", b.cond(
                      less(i, 10), [&] { return plus(x, 1.0); }, [&] { return checked(plus(x, 2.0)); }));
    b.output("through", b.cond(
                            less(i, 10), [&] { return x; }, [&] { return plus(x, 5.0); }));
  }));
  checked_runs() = 0;
  auto out = sim.run_step({{"i", 3}, {"x", {1.0}}});
  CHECK(only(out["y"]) == 2);
  CHECK(only(out["through"]) == 1);
  CHECK(checked_runs() == 0);
  out = sim.run_step({{"i", 30}, {"x", {1.0}}});
  CHECK(only(out["y"]) == 3);
  CHECK(only(out["through"]) == 6);
  CHECK(checked_runs() == 1);
}

TEST_CASE("cond inside a loop, by its index, with a write in one branch") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    auto kept = b.state("kept", tensor_state(f32, {1}));
    b.output("y", b.loop("l", 0, 6, x, [&](Index l, Value v) {
      return b.cond(
          less(b.value(l), 2),
          [&] {
            poke(kept, plus(v, 100.0));
            return plus(v, 1.0);
          },
          [&] { return plus(v, same(peek(kept))); });
    }));
    b.output("kept", peek(kept));
  }));
  // Turns 0 and 1 add one and store v + 100; the four others add what turn 1 stored.
  const auto out = sim.run_step({{"x", {1.0}}});
  CHECK(only(out["kept"]) == 102);
  CHECK(only(out["y"]) == 3 + 4 * 102);
}

TEST_CASE("an error inside loops says in which turn") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    b.output("y", b.loop("i", 0, 2, x, [&](Index, Value v) {
      return b.loop("j", 0, 3, v, [&](Index, Value w) { return plus(checked(w), -1.0); });
    }));
  }));
  CHECK_THAT(error_of([&] {
               sim.run_step({{"x", {4.0}}});
             }),
             Contains("[checked] element 0 is negative (i = 1, j = 2) at control_test.cpp:"));
  CHECK(only(sim.run_step({{"x", {6.0}}})["y"]) == 0);
}
