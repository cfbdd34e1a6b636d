// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <limits>

#include "codegen/kernel_ir/build.h"
#include "codegen/kernel_ir/print.h"
#include "openinfer/error.h"

using namespace openinfer;
using namespace openinfer::kir;

namespace {

const Record kQ8 = {"q8_0", {{"d", Kind::f16, 1}, {"qs", Kind::i8, 32}}};

Kernel scale(Target target) {
  Build k("scale", target);
  const Mem x = k.in("x", Kind::f16), y = k.out("y", Kind::f32);
  const Val n = k.param("n");
  k.for_group("i", 0, n, [&](Val i) { y[i] = x[i] * 2; });
  return k.done();
}

std::string internal_message(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::internal);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an elementwise kernel as text") {
  CHECK(to_text(scale({.lanes = 16})) == R"(kernel scale lanes 16 subgroups 1 dot4 none
buffer x f16 read
buffer y f32 write
param n
  %0 = constant 0  : i32 group
  %1 = param n  : i32 group
  %2 = constant 2  : f32 group
  loop lanes %4 i from %0 to %1 step 1 share 1 unroll 1
    %5 = load x %4  : f32 lane
    %6 = mul %5 %2  : f32 lane
    store y %4 %6
)");
}

TEST_CASE("one subgroup of one lane has no lanes") {
  CHECK(to_text(scale({})).find("  loop %4 i from") != std::string::npos);
  CHECK(to_text(scale({})).find(" lane\n") == std::string::npos);
  CHECK(to_text(scale({.lanes = 32, .subgroups = 4})).find("loop group %4 i") != std::string::npos);
}

TEST_CASE("values nobody uses are gone, those used twice are one") {
  Build k("dead", {.lanes = 8});
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Reg unused = k.var("unused", Kind::f32);
  const Val n = k.param("n");
  k.for_lanes("i", 0, 8, [&](Val i) {
    const Val lost = x[i] * 3;
    unused += lost;
    y[n * 4 + i] = x[n * 4 + i];
  });
  const std::string text = to_text(k.done());
  CHECK(text.find("unused") == std::string::npos);
  CHECK(text.find(" 3 ") == std::string::npos);
  CHECK(text.find("mul") == text.rfind("mul"));
}

TEST_CASE("an integer becomes a constant float where that has all its digits") {
  const auto text_of = [](std::int64_t n, Kind kind) {
    Build k("to_float", {});
    const Mem y = k.out("y", kind);
    y[0] = convert(k.constant(n, Kind::i64), kind);
    return to_text(k.done());
  };
  CHECK_THAT(text_of(-(1 << 24), Kind::f32), !Catch::Contains("convert"));
  CHECK_THAT(text_of(-(1 << 24) - 1, Kind::f32), Catch::Contains("convert"));
  CHECK_THAT(text_of(std::numeric_limits<std::int64_t>::min(), Kind::f32), Catch::Contains("convert"));
  CHECK_THAT(text_of(std::numeric_limits<std::int64_t>::min(), Kind::f64), Catch::Contains("convert"));
}

TEST_CASE("a value read before a write stays before it") {
  Build k("swap", {});
  const Mem x = k.inout("x", Kind::i32);
  const Val a = x[0], b = x[1];
  x[0] = b;
  x[1] = a;
  const std::string text = to_text(k.done());
  CHECK(text.rfind("load") < text.find("store"));
}

TEST_CASE("blocks, tiles, functions and sums over lanes") {
  Build k("dot", {.lanes = 16, .subgroups = 2});
  const Mem w = k.in("w", kQ8), x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Tile acc = k.tile("acc", 2, Kind::f32);
  k.each("m", 2, [&](Val m) {
    k.for_lanes("j", 0, 32, [&](Val j) {
      const Slot block = w.block(m);
      acc[m] += Val(block["d"]) * convert(block["qs"](j), Kind::f32) * x[j];
    });
  });
  const Val sum = k.group_sum("sum", Val(acc[0]) + acc[1]);
  y[k.group()] = k.call("twice", {sum}, [](const std::vector<Val>& v) { return v[0] * 2; });
  const std::string text = to_text(k.done());
  CHECK(text.find("function twice x f32 -> f32") != std::string::npos);
  CHECK(text.find("load w.qs") != std::string::npos);
  CHECK(text.find("shared sum_parts f32[2]") != std::string::npos);
}

TEST_CASE("mistakes of a template are named") {
  const auto build = [](const std::function<void(Build&, Mem, Mem)>& body) {
    return internal_message([&] {
      Build k("bad", {.lanes = 8, .subgroups = 2});
      const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
      body(k, x, y);
      (void)k.done();
    });
  };
  CHECK(build([](Build& k, Mem x, Mem y) {
          k.for_lanes("i", 0, 9, [&](Val i) { y[i] = k.lane_sum(x[i]); });
        }).find("a lane operation where some lanes may not be") != std::string::npos);
  CHECK(build([](Build& k, Mem x, Mem y) {
          const Tile tile = k.tile("tile", 8, Kind::f32, Rate::lane, x[0]);
          tile.turn();
          y[k.lane()] = tile[0];
        }).find("lanes are no vectors") != std::string::npos);
  CHECK(build([](Build& k, Mem, Mem y) {
          y[k.lane()] = convert(pair_sum(k.lane()), Kind::f32);
        }).find("lanes are no vectors") != std::string::npos);
  const auto turned = [](int places, Rate rate) {
    return internal_message([&] {
      Build k("bad", {.lanes = 8});
      const Mem y = k.out("y", Kind::f32);
      const Tile tile = k.tile("tile", places, Kind::f32, rate);
      tile.turn();
      y[k.lane()] = tile[0];
      (void)k.done();
    });
  };
  CHECK(turned(8, Rate::lane).empty());
  CHECK(turned(7, Rate::lane).find("no tile of as many places as lanes") != std::string::npos);
  CHECK(turned(8, Rate::group).find("no tile of as many places as lanes") != std::string::npos);
  CHECK(build([](Build& k, Mem, Mem y) {
          const Val i = k.lane();
          y[i] = convert(k.lane_sums(i, i, i, i), Kind::f32);
        }).find("takes four f32") != std::string::npos);
  CHECK(build([](Build& k, Mem x, Mem y) { y[0] = x[k.lane()]; }).find("lanes write different values to one place") !=
        std::string::npos);
  CHECK(build([](Build& k, Mem x, Mem) { x[k.lane()] = 1.0; }).find("only read") != std::string::npos);
  CHECK(build([](Build& k, Mem, Mem y) {
          k.if_(k.lane() < 3, [&] { y[k.lane()] = 1.0; });
        }).find("differs between lanes: use select") != std::string::npos);
  CHECK(build([](Build& k, Mem, Mem y) {
          k.if_(k.subgroup() < 1, [&] {
            k.barrier();
            y[k.lane()] = 1.0;
          });
        }).find("a barrier where some of the workgroup may not be") != std::string::npos);
  CHECK(build([](Build& k, Mem x, Mem y) {
          y[k.lane()] = x[k.lane()] + convert(k.lane(), Kind::i64);
        }).find("differ in kind: f32 and i64") != std::string::npos);
  CHECK(build([](Build& k, Mem x, Mem y) {
          Val out;
          k.for_("i", 0, k.param("n"), [&](Val i) { out = x[i]; });
          y[k.lane()] = out;
        }).find("not in scope") != std::string::npos);
}
