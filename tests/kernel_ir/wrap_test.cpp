// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/wrap.h"

#include <catch2/catch.hpp>

#include "codegen/kernel_ir/build.h"

using namespace openinfer;
using namespace openinfer::kir;

namespace {

/// Operations that may wrap, in order: "add i32".
std::vector<std::string> wrapping(const Kernel& k) {
  const std::vector<bool> wraps = find_wrapping(k);
  std::vector<std::string> found;
  for (Id id = 0; id < k.nodes.size(); ++id)
    if (wraps[id]) found.push_back(std::string(info(k[id].op).name) + " " + std::string(info(k[id].type.kind).name));
  return found;
}

using List = std::vector<std::string>;

/// y[i] = f(what lies in memory).
Kernel of_memory(Kind stored, const std::function<Val(Build&, Val)>& f) {
  Build k("of_memory", {.lanes = 32, .subgroups = 4});
  const Mem x = k.in("x", stored), y = k.out("y", info(stored).in_register);
  k.for_group("i", 0, k.param("n"), [&](Val i) { y[i * 4 + 1] = f(k, x[i]); });
  return k.done();
}

}  // namespace

TEST_CASE("places do not wrap, however large: the plan refuses what 32 bits do not count") {
  Build k("places", {.lanes = 32, .subgroups = 4});
  const Mem y = k.out("y", Kind::i32);
  k.for_group("i", 0, k.param("n") * 3, [&](Val i) { y[i] = (i + k.group() * k.param("m")) * 64 - 1; });
  CHECK(wrapping(k.done()).empty());
}

TEST_CASE("numbers from memory wrap, but for small ones") {
  const auto poly = [](Build&, Val x) { return x * x + 1 - x; };
  CHECK(wrapping(of_memory(Kind::i32, poly)) == List{"mul i32", "add i32", "sub i32"});
  CHECK(wrapping(of_memory(Kind::i64, poly)) == List{"mul i64", "add i64", "sub i64"});
  CHECK(wrapping(of_memory(Kind::u32, poly)).empty());  // unsigned: every language wraps
  CHECK(wrapping(of_memory(Kind::i8, poly)).empty());
  CHECK(wrapping(of_memory(Kind::i16, poly)).empty());
  CHECK(wrapping(of_memory(Kind::i16, [](Build&, Val x) { return x * x * x; })) == List{"mul i32"});
  CHECK(wrapping(of_memory(Kind::i32, [](Build&, Val x) { return abs(-x); })) == List{"neg i32", "abs i32"});
  CHECK(wrapping(of_memory(Kind::i32, [](Build&, Val x) { return (x & 15) * 3 - (x >> 8); })).empty());
}

TEST_CASE("what is clamped to a place is one; what only says where is an index") {
  Build k("clamped", {.lanes = 32});
  const Mem ids = k.in("ids", Kind::i32), y = k.inout("y", Kind::i32);
  const Val n = k.param("n");
  const Val id = k.let("id", ids[k.group()]);
  k.for_lanes("i", 0, 64, [&](Val i) {
    y[max(min(id, n - 1), 0) * 64 + i] = max(min(id, n - 1), 0) * 64 + i;  // clamped
    y[id * 64 + i] = 1;                                                    // an index and nothing else
  });
  CHECK(wrapping(k.done()).empty());
  Build both("both", {.lanes = 32});
  const Mem a = both.in("a", Kind::i32), b = both.out("b", Kind::i32);
  const Val at = both.let("at", a[both.group()] * 3);
  both.for_lanes("i", 0, 64, [&](Val i) { b[at + i] = at; });  // an index and a value
  CHECK(wrapping(both.done()) == List{"mul i32"});
}

TEST_CASE("bits of floats and sums in registers wrap") {
  Build k("bits", {.lanes = 32});
  const Mem x = k.in("x", Kind::f32), q = k.in("q", Kind::i8), y = k.out("y", Kind::i32);
  const Reg sum = k.var("sum", Kind::i32);
  k.for_lanes("i", 0, k.param("n"), [&](Val i) {
    sum += Val(q[i]);
    y[i] = bitcast(Val(x[i]), Kind::i32) - 0x4b400000;
  });
  k.for_lanes("i", 0, 32, [&](Val i) { y[i] = sum; });
  CHECK(wrapping(k.done()) == List{"add i32", "sub i32"});
}
