// SPDX-License-Identifier: Apache-2.0
// What holds for every reference: results do not depend on how the work is cut, and the set of operators is in order.
#include <catch2/catch.hpp>
#include <cmath>

#include "openinfer/ops.h"
#include "tests/ops/direct_run.h"

using namespace openinfer;
using openinfer::testing::run_directly;

namespace {

Tensor noise_of_scale(Extents shape, float scale) {
  Tensor t(f32, std::move(shape));
  std::uint32_t state = 12345;
  for (float& x : t.mutable_data<float>()) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator
    x = (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f) * scale;
  }
  return t;
}

}  // namespace

TEST_CASE("results_do_not_depend_on_how_work_is_cut") {
  const Graph g = graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {37, 211}), w = b.input("w", f32, {211}), c = b.input("c", f32, {37, 1});
    b.output("elementwise", silu(x * w + c));
    b.output("selected", select(gt(x, c), x, w));
    b.output("softmax", softmax(x));
    b.output("softmax0", softmax(x, 0));
    b.output("rms_norm", rms_norm(x, w));
    b.output("layer_norm", layer_norm(x, w, w));
    b.output("sum", sum(x, {.axes = {0}}));
    b.output("mean", mean(x, {.axes = {1}}));
    b.output("all", sum(x));
    b.output("argmax", argmax(x));
    b.output("transposed", transpose(x));
    b.output("sliced", slice(x, {.axis = 1, .begin = 3, .end = 200, .step = 7}));
  });
  const openinfer::testing::Tensors inputs = {
      {"x", noise_of_scale({37, 211}, 4)}, {"w", noise_of_scale({211}, 1)}, {"c", noise_of_scale({37, 1}, 2)}};
  const auto whole = run_directly(g, inputs);
  for (const int ranges : {2, 3, 7, 64}) CHECK(run_directly(g, inputs, ranges) == whole);
}

TEST_CASE("sums_are_sixteen_partial_sums_in_a_fixed_tree") {
  const Tensor x = noise_of_scale({1, 100}, 1000);
  float partial[16] = {};
  for (std::size_t i = 0; i < 100; ++i) partial[i % 16] += x.data<float>()[i];
  for (std::size_t half = 8; half > 0; half /= 2)
    for (std::size_t j = 0; j < half; ++j) partial[j] += partial[j + half];
  const Graph g = graph([](GraphBuilder& b) { b.output("y", sum(b.input("x", f32, {1, 100}))); });
  CHECK(run_directly(g, {{"x", x}}).at("y") == Tensor::scalar(partial[0]));
}

TEST_CASE("infix_symbols_belong_to_four_operators") {
  const OpSet& ops = OpSet::builtin();
  for (const auto& [symbol, name] :
       {std::pair{"+", "add"}, std::pair{"-", "sub"}, std::pair{"*", "mul"}, std::pair{"/", "div"}})
    CHECK(ops.find_symbol(symbol) == ops.find(name));
  CHECK(ops.find_symbol("%") == nullptr);
  CHECK(ops.find_symbol("") == nullptr);
  CHECK(ops.find("no_such_op") == nullptr);
}

TEST_CASE("operators_are_sorted_complete_and_named_once") {
  std::string_view last;
  for (const OpDef* op : OpSet::builtin().all()) {
    CHECK(last < op->name);
    last = op->name;
    INFO(op->name);
    CHECK(op->infer != nullptr);
    CHECK(op->reference != nullptr);
  }
  for (const char* name : {"add", "and", "or", "not", "reduce_max", "rms_norm", "gelu_tanh", "iota"})
    CHECK(OpSet::builtin().find(name) != nullptr);
}

TEST_CASE("two_operators_cannot_share_a_symbol") {
  OpSet ops(OpSet::builtin().all());
  static const OpDef other = {.name = "plus", .symbol = "+"};
  CHECK_THROWS_WITH(ops.add(other), "'+' already spells 'add', it cannot spell 'plus'");
}
