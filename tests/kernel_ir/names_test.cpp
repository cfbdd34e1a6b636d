// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernel_ir/names.h"

#include <catch2/catch.hpp>

#include "codegen/kernel_ir/build.h"
#include "codegen/kernel_ir/ramp.h"

using namespace openinfer::kir;

namespace {

/// The names of values, in the order of their nodes.
std::vector<std::string> value_names(const Kernel& kernel, std::vector<std::string_view> reserved = {}) {
  std::vector<std::string> names;
  for (const std::string& name : choose_names(kernel, reserved).values)
    if (!name.empty()) names.push_back(name);
  return names;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("values get a name where the author gave one or their text would appear twice") {
  Build k("names", {});
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Val n = k.param("n");
  y[0] = x[n * 2] + 1;                  // once: in place
  y[n + 1] = x[n + 1];                  // i + 1 is cheaper to read than a name
  y[n * 3] = k.let("given", x[1] * 5);  // let
  const Val twice = x[2] - 3;
  y[4] = twice * twice;  // twice
  CHECK(value_names(k.done()) == Strings{"given", "t"});
}

TEST_CASE("a value that a loop uses, or that bounds it, is computed before the loop") {
  Build k("deeper", {.lanes = 8});
  const Mem x = k.in("x", Kind::f32), counts = k.in("counts", Kind::i32), y = k.out("y", Kind::f32);
  const Val factor = x[7];
  k.for_("row", 0, counts[0], [&](Val row) {
    k.for_lanes("i", k.param("n") * 8, k.param("n") + 1, [&](Val i) { y[i] = x[i + row] * factor; });
  });
  CHECK(value_names(k.done()) == Strings{"row_end", "x_value", "row", "i_start", "i"});
}

TEST_CASE("what was read before a write that stands before its use keeps a name") {
  Build k("overtaken", {});
  const Mem y = k.inout("y", Kind::f32);
  const Reg sum = k.var("sum", Kind::f32);
  const Val before = sum, place = y[0];
  sum = Val(y[1]);
  y[2] = before + place;
  y[3] = Val(sum) * Val(sum);  // not changed since: in place, however often
  CHECK(value_names(k.done()) == Strings{"sum_before", "y_value"});
}

TEST_CASE("lane operations are statements of their own") {
  Build k("lanes", {.lanes = 8});
  const Mem y = k.out("y", Kind::f32), x = k.in("x", Kind::f32);
  const Reg sum = k.var("sum", Kind::f32);
  k.for_lanes("i", 0, 20, [&](Val i) { sum += x[i]; });
  y[0] = k.lane_sum(sum) + k.lane_max(Val(sum) * 2);
  CHECK(value_names(k.done()) == Strings{"i", "sum_all", "all"});
}

TEST_CASE("names differ from all that can be seen, and from the language's words") {
  Build k("scopes", {});
  const Mem x = k.in("x", Kind::f32), y = k.out("y", Kind::f32);
  const Val n = k.param("n");
  k.for_("i", 0, n, [&](Val i) { k.for_("i", 0, 4, [&](Val j) { y[i + j] = k.let("y", x[i] * x[j]); }); });
  k.for_("i", 0, n, [&](Val i) { y[i] = k.let("while", x[i] * 3) + x[0]; });
  const Kernel kernel = k.done();
  const std::vector<std::string_view> words = {"i_2", "while"};
  CHECK(value_names(kernel, words) == Strings{"i", "i_3", "y_2", "i", "while_2"});
}

TEST_CASE("ramps grow evenly from lane to lane") {
  Build k("ramps", {.lanes = 8});
  const Mem y = k.out("y", Kind::i32);
  const Val n = k.param("n"), lane = k.lane();
  k.for_lanes("i", 0, n, [&](Val i) {
    const std::vector<Val> values = {n * 2,     lane,        lane * 4, i,     i * 3 - n,
                                     5 - i * 2, (i + 1) * i, i * n,    i / 2, lane - lane + 1};
    for (const Val& v : values) y[i] = v;
  });
  const Kernel kernel = k.done();
  const auto ramps = find_ramps(kernel);
  std::vector<std::optional<std::int64_t>> of_stores;
  for (const Node& n : kernel.nodes)
    if (n.op == Op::store) of_stores.push_back(ramps[n.args[1]]);
  const std::vector<std::optional<std::int64_t>> expected = {0, 1, 4, 1, 3, -2, {}, {}, {}, 0};
  CHECK(of_stores == expected);
}

TEST_CASE("lanes that share an index are no ramp") {
  Build k("shared", {.lanes = 8});
  const Mem y = k.out("y", Kind::i32);
  k.for_lanes(
      "b", 0, 6, [&](Val b) { y[b * 4 + k.lane_in(4)] = b; }, 4);
  const Kernel kernel = k.done();
  for (const Node& n : kernel.nodes)
    if (n.op == Op::store) CHECK(!find_ramps(kernel)[n.args[0]]);
}
