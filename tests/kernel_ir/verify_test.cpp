// SPDX-License-Identifier: Apache-2.0
// Kernels that no builder makes: each rule on numbers of nodes, variables, parameters and functions, broken once.
#include "codegen/kernel_ir/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>

#include "codegen/kernel_ir/build.h"
#include "openinfer/error.h"

using namespace openinfer;
using namespace openinfer::kir;

namespace {

/// Has a parameter, a variable, a tile, a loop, a branch, a record and a function that calls another.
Kernel sound() {
  Build k("sound", {});
  const Mem w = k.in("w", Record{"pair", {{"d", Kind::f32, 1}, {"qs", Kind::i8, 32}}}), y = k.out("y", Kind::f32);
  const Val n = k.param("n");
  const Reg sum = k.var("sum", Kind::f32);
  const Tile two = k.tile("two", 2, Kind::f32);
  k.each("e", 2, [&](Val e) { two[e] += Val(w.block(e)["d"]); });
  const auto inner = [](const std::vector<Val>& v) { return v[0] * 2; };
  k.for_("i", 0, n, [&](Val i) {
    sum += k.call("outer", {Val(w.block(i)["d"]), Val(two[0])},
                  [&](const std::vector<Val>& v) { return k.call("inner", {v[0]}, inner) + v[1]; });
  });
  k.if_(n < 3, [&] { y[0] = Val(sum) + two[1]; });
  return k.done();
}

/// What the verifier says when this is done to it.
std::string after(const std::function<void(Kernel&)>& harm) {
  Kernel k = sound();
  harm(k);
  try {
    verify(k);
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::internal);
    return e.what();
  }
  return "";
}

/// Everything below is done to the last node of that kind.
std::string after(Op op, const std::function<void(Node&)>& harm) {
  return after([&](Kernel& k) {
    const auto last = std::find_if(k.nodes.rbegin(), k.nodes.rend(), [&](const Node& n) { return n.op == op; });
    REQUIRE(last != k.nodes.rend());
    harm(*last);
  });
}

constexpr Id kFar = 1 << 20;

}  // namespace

TEST_CASE("the sound kernel is one") {
  CHECK(after([](Kernel&) {}).empty());
}

TEST_CASE("numbers of nodes are looked at before the nodes") {
  using Catch::Contains;
  CHECK_THAT(after([](Kernel& k) { k.body.push_back(kFar); }), Contains("a statement or value is node 1048576 of"));
  CHECK_THAT(after(Op::loop, [](Node& n) { n.body.push_back(kNoId); }), Contains("a statement or value is node"));
  CHECK_THAT(after(Op::loop, [](Node& n) { n.index = kFar; }), Contains("a loop's index is node"));
  CHECK_THAT(after(Op::store, [](Node& n) { n.args.back() = kFar; }), Contains("not in scope"));
  CHECK_THAT(after([](Kernel& k) { k.functions[0].body.push_back(kFar); }), Contains("a function's value is node"));
  CHECK_THAT(after([](Kernel& k) { k.functions[0].result = kNoId; }), Contains("a function's result is node"));
  CHECK_THAT(after([](Kernel& k) { k.nodes[k.functions[0].result].args[0] = kFar; }), Contains("not its own"));
  CHECK_THAT(after([](Kernel& k) {
               for (Node& n : k.nodes)
                 if (n.op == Op::index) n.owner = kFar;
             }),
             Contains("a tile's place is made of constants and unrolled indices only"));
}

TEST_CASE("numbers of variables, parameters, functions and fields are looked at before these") {
  using Catch::Contains;
  for (const int far : {-1, 100}) {
    CHECK_THAT(after(Op::declare, [&](Node& n) { n.ref = far; }), Contains("no such variable"));
    CHECK_THAT(after(Op::write, [&](Node& n) { n.ref = far; }), Contains("no such variable"));
    CHECK_THAT(after(Op::read, [&](Node& n) { n.ref = far; }), Contains("no such variable"));
    CHECK_THAT(after(Op::param, [&](Node& n) { n.ref = far; }), Contains("no such parameter"));
    CHECK_THAT(after(Op::argument, [&](Node& n) { n.ref = far; }), Contains("no such argument"));
    CHECK_THAT(after(Op::call, [&](Node& n) { n.ref = far; }), Contains("no such function"));
    CHECK_THAT(after(Op::load, [&](Node& n) { n.ref = far; }), Contains("no such buffer"));
  }
  CHECK_THAT(after(Op::load, [](Node& n) { n.field = 2; }), Contains("no such field"));
  CHECK_THAT(after([](Kernel& k) { k.buffers[0].record = 7; }), Contains("no such field"));
}

TEST_CASE("operands and arguments are counted before they are looked at") {
  using Catch::Contains;
  for (const Op op : {Op::declare, Op::write})
    CHECK_THAT(after(op, [](Node& n) { n.args.clear(); }), Contains("wrong number of operands"));
  CHECK_THAT(after(Op::declare, [](Node& n) { n.args.push_back(n.args[0]); }), Contains("wrong number of operands"));
  CHECK_THAT(after(Op::if_, [](Node& n) { n.args.clear(); }), Contains("the condition is no b1"));
  CHECK_THAT(after([](Kernel& k) { k.nodes[k.functions[0].result].args.pop_back(); }),
             Contains("wrong number of operands"));
  CHECK_THAT(after(Op::call, [](Node& n) { n.args.pop_back(); }), Contains("wrong number of arguments"));
  CHECK_THAT(after(Op::call, [](Node& n) { n.type.kind = Kind::i32; }), Contains("than the function's result"));
}

TEST_CASE("functions call those before them and take arguments of their own kinds") {
  using Catch::Contains;
  CHECK_THAT(after([](Kernel& k) { std::swap(k.functions[0], k.functions[1]); }), Contains("no such function"));
  CHECK_THAT(after([](Kernel& k) { k.functions[1].parameters[1] = Kind::i32; }),
             Contains("an argument of another kind than the function's"));
  CHECK_THAT(after([](Kernel& k) {  // what the kernel is called with is nothing that a function sees
               Node& argument = k.nodes[k.functions[0].body[0]];
               argument = {.op = Op::param, .type = argument.type, .ref = 0};
             }),
             Contains("no such parameter"));
}
