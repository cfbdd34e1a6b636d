// SPDX-License-Identifier: Apache-2.0
// Graphs of operators that have row kernels, lowered for several targets and run in the interpreter, against the
// simulator.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "lib/passes/pipeline.h"
#include "openinfer/openinfer.h"
#include "tests/plan/interpreted_plan.h"

using namespace openinfer;

namespace {

const std::vector<kir::Target> kRowTargets = {{.lanes = 1}, {.lanes = 16}, {.lanes = 8, .subgroups = 4}};

/// Element i of a tensor of f32 or i32.
double number(const Tensor& t, std::int64_t i) {
  const std::byte* at = t.bytes().data() + 4 * i;
  REQUIRE((t.dtype() == DType::f32 || t.dtype() == DType::i32));
  if (t.dtype() == DType::f32) return *reinterpret_cast<const float*>(at);
  return *reinterpret_cast<const std::int32_t*>(at);
}

Tensor numbers(Extents shape, int seed = 1) {
  Tensor t(DType::f32, shape);
  std::vector<float> v(static_cast<std::size_t>(element_count(shape)));
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = std::sin(static_cast<float>(i * 7 + static_cast<std::size_t>(seed)));
  std::memcpy(t.mutable_bytes().data(), v.data(), v.size() * sizeof(float));
  return t;
}
Tensor integers(const std::vector<std::int32_t>& v, Extents shape) {
  Tensor t(DType::i32, shape);
  std::memcpy(t.mutable_bytes().data(), v.data(), v.size() * sizeof(std::int32_t));
  return t;
}

using TensorMap = std::map<std::string, Tensor>;

/// Every output after each of the steps, fused and not, on every target, within `bound` of the simulator's.
void check(const Graph& g, const std::vector<TensorMap>& steps, const std::map<std::string, std::int64_t>& symbols = {},
           double bound = 2e-6) {
  for (const kir::Target& target : kRowTargets)
    for (const bool fused : {false, true}) {
      PassOptions options;
      if (!fused) options.no_fuse = {"all"};
      const Graph compiled = run_passes(g, compilation_passes(), options).graph;
      plan::Plan made = plan::lower(compiled, {.name = "test", .target = target});
      plan::run_passes(made);
      plan_test::InterpretedPlan run(made, nullptr, symbols);
      SimSession session(g, {.dims = symbols});
      for (const TensorMap& inputs : steps) {
        Inputs given;
        for (const auto& [name, tensor] : inputs) given.emplace_back(name, tensor);
        const Outputs expected = session.run_step(given);
        for (const auto& [name, tensor] : run.run("step", inputs)) {
          CAPTURE(name, fused, target.lanes, target.subgroups);
          REQUIRE(tensor.shape() == expected[name].shape());
          for (std::int64_t i = 0; i < element_count(tensor.shape()); ++i)
            REQUIRE(number(tensor, i) == Approx(number(expected[name], i)).margin(bound).epsilon(0));
        }
      }
    }
}

}  // namespace

TEST_CASE("norms and softmax with what follows them") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 16);
    const auto x = b.input("x", f32, {2, N, 24}), w = b.input("w", f32, {24}), bias = b.input("bias", f32, {24});
    const auto h = rms_norm(x, w);
    b.output("scaled", h * bias + x);
    b.output("normed", h);
    b.output("layered", layer_norm(x, w, bias) * 2.0);
    b.output("unbiased", layer_norm(x, w, std::nullopt) - bias);
    b.output("last", softmax(x) + bias);
    b.output("middle", softmax(x, 1));
    b.output("first", softmax(x, 0) * x);
  });
  check(g, {{{"x", numbers({2, 5, 24})}, {"w", numbers({24}, 2)}, {"bias", numbers({24}, 3)}}}, {{"N", 5}}, 1e-5);
}

TEST_CASE("reductions over any axes") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 16);
    const auto x = b.input("x", f32, {3, N, 4, 5});
    b.output("all", sum(x));
    b.output("last", mean(x, {.axes = {3}}) * 3.0);
    b.output("inner", sum(x, {.axes = {1, 2}, .keepdims = true}));
    b.output("apart", max(x, {.axes = {0, 2}}));
    b.output("apart_kept", sum(x, {.axes = {1, 3}, .keepdims = true}) + x);
    b.output("place", argmax(x, 1));
    b.output("place_last", argmax(x));
  });
  check(g, {{{"x", numbers({3, 7, 4, 5})}}}, {{"N", 7}}, 2e-5);
}

TEST_CASE("moves and gather") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 16);
    const auto x = b.input("x", f32, {N, 6, 4}), y = b.input("y", f32, {N, 2, 4}), row = b.input("row", f32, {4});
    const auto ids = b.input("ids", i32, {2, N});
    b.output("turned", transpose(x, {2, 0, 1}));
    b.output("swapped", transpose(x));
    b.output("part", slice(x, {.axis = 1, .begin = 1, .end = 6, .step = 2}));
    b.output("joined", concat({x, y, x}, 1));
    b.output("first_joined", concat({x, x}, 0));
    b.output("spread", broadcast(row, {N, 3, 4}));
    b.output("flat", reshape(x, {N, 24}) * 2.0);
    b.output("rows", gather(x, ids) + row);
    b.output("columns", gather(x, ids, 1));
    b.output("places", iota(b, {N, 3}, 0));
  });
  check(g,
        {{{"x", numbers({5, 6, 4})},
          {"y", numbers({5, 2, 4}, 4)},
          {"row", numbers({4}, 2)},
          {"ids", integers({0, 1, 2, 3, 4, 4, 3, 2, 1, 0}, {2, 5})}}},
        {{"N", 5}});
}

TEST_CASE("rope, the cache and what is kept between steps") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 8), ctx = b.dim("ctx", 1, 8);
    const auto pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N});
    const auto x = b.input("x", f32, {N, 16});
    const auto kv = b.state("kv", kv_cache({.layers = 3, .slots = 2, .capacity = ctx, .heads = 2, .head_dim = 8}));
    const auto total = b.state("total", tensor_state(f32, {16}));
    const auto sums = b.loop("l", 0, 3, x, [&](Index l, Value h) {
      const auto k = h | rope(pos, {.head_dim = 8, .rotary_dim = 4});
      kv_write(kv, {.layer = l, .pos = pos, .slot = slot}, k, h * 2.0);
      const auto [keys, values] = kv_read(kv, {.layer = l});
      return h + sum(keys) * 0.125 + sum(values) * 0.0625;
    });
    b.output("sums", sums);
    const auto now = state_read(total) + sum(x, {.axes = {0}});
    state_write(total, now);
    b.output("total", now);
    b.output("turned", rope(x, pos, {.head_dim = 8, .theta = 500000, .scaling = "llama3", .factor = 8}));
    const auto f = b.constant("f", Tensor(std::vector<float>{1, 0.5f, 2, 0.25f}, {2, 2}));
    b.output("scaled", rope(x, pos,
                            {.head_dim = 8,
                             .rotary_dim = 4,
                             .original_context = 6,
                             .attention_factor = 1.5,
                             .frequencies = f,
                             .context = ctx}));
  });
  const auto inputs = [](std::vector<std::int32_t> pos, std::vector<std::int32_t> slot, int seed) {
    return TensorMap{{"pos", integers(pos, {3})}, {"slot", integers(slot, {3})}, {"x", numbers({3, 16}, seed)}};
  };
  check(g, {inputs({0, 1, 5}, {0, 0, 1}, 1), inputs({2, 3, 6}, {0, 0, 1}, 2)}, {{"N", 3}, {"ctx", 7}}, 1e-4);
}

TEST_CASE("what has no kernel names the user's line") {
  const Graph g = graph([](GraphBuilder& b) { b.output("y", softmax(b.input("x", f64, {3}))); });
  try {
    (void)plan::lower(g, {.name = "test", .target = {}});
    FAIL("lowered");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::unsupported);
    CHECK(std::string(e.what()).find("[softmax] devices have no exp of f64; cast x to f32 at ") == 0);
    CHECK(std::string(e.what()).find("lower_rows_test.cpp") != std::string::npos);
  }
}

TEST_CASE("what a template refuses names the line of its operator, also within a group") {
  int line = 0;
  const Graph g = graph([&](GraphBuilder& b) {
    const Value doubled = b.input("x", f64, {3}) * 2.0;
    line = __LINE__ + 1;
    b.output("y", tanh(doubled));
  });
  CHECK_THROWS_WITH(plan::lower(run_passes(g, compilation_passes()).graph, {.name = "test", .target = {}}),
                    Catch::EndsWith(fmt::format("cast the operand at lower_rows_test.cpp:{}", line)));
}

TEST_CASE("kernels count in 32 bits, and past the end of what they have: the last sizes below 2^31 are refused") {
  const auto plan_of = [](std::int64_t most) {
    return plan::lower(graph([&](GraphBuilder& b) { b.output("y", b.input("x", u8, {b.dim("N", 0, most)}) + 1); }),
                       {.name = "test", .target = {.lanes = 16}});
  };
  CHECK_NOTHROW(plan_of((std::int64_t{1} << 31) - 65'536));
  CHECK_THROWS_WITH(plan_of((std::int64_t{1} << 31) - 65'535), Catch::Contains("kernels count to 2147418112"));
  // Sizes that are known go into kernels: the same words, before a template has to refuse them.
  const Graph fixed =
      graph([&](GraphBuilder& b) { b.output("y", max(b.input("x", u8, {3'221'225'472}), {.axes = {0}})); });
  CHECK_THROWS_WITH(
      plan::lower(fixed, {.name = "test", .target = {.lanes = 16}}),
      Catch::StartsWith("[reduce_max] an operand may have 3221225472 elements or blocks; kernels count to "
                        "2147418112. Bound its dimensions lower at lower_rows_test.cpp:"));
}
