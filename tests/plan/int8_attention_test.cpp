// SPDX-License-Identifier: Apache-2.0
// Numerics fast: attention that leaves its result in the 8-bit blocks that the product behind it reads.
#include <openinfer/openinfer.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "openinfer/half.h"
#include "tests/plan/interpreted_plan.h"
#include "tests/sim/test_package.h"

using namespace openinfer;

namespace {

const kir::Target kPanels = {.lanes = 16, .dot4 = Dot4::us, .panels = true, .core_cache = true};

plan::Plan attention_plan(const Graph& g, kir::Target target) {
  plan::Plan p = plan::lower(run_passes(g, compilation_passes(), {}).graph,
                             {.name = "test", .target = target, .numerics = Numerics::fast, .entries = {}});
  plan::run_passes(p);
  return p;
}

/// wo: q8_0 (64, 64) with random quants.
void add_wo(sim_test::TestPackage& package) {
  std::mt19937 random(3);
  std::vector<std::uint16_t> blocks;
  for (int i = 0; i < 64 * 64 / 32; ++i) {
    blocks.push_back(float_to_half(0.002f));
    for (int j = 0; j < 16; ++j) blocks.push_back(static_cast<std::uint16_t>(random()));
  }
  opnf::TensorSpec spec;
  spec.key = "wo", spec.dtype = "q8_0", spec.shape = {64, 64}, spec.transposed = true;
  package.writer().tensor(std::move(spec), std::as_bytes(std::span(blocks)));
}

/// y = attention · wo, of up to `most` rows of two heads. `seen`: attention itself is an output too.
Graph attention_and_product(const Model& model, std::int64_t most, bool seen, std::int64_t head_dim = 32) {
  return graph(model, [&](GraphBuilder& b) {
    const auto N = b.dim("N", 1, most);
    const auto kv =
        b.state("kv", kv_cache({.layers = 1, .capacity = 600, .heads = 64 / head_dim, .head_dim = head_dim}));
    const auto x = b.input("x", f32, {N, 64});
    const auto pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N});
    kv_write(kv, {.layer = 0, .pos = pos, .slot = slot}, x, x);
    const auto [keys, values] = kv_read(kv, {.layer = 0});
    const auto attention = sdpa(x, keys, values, {.pos = pos, .slot = slot});
    b.output("y", matmul(attention, model["wo"]));
    if (seen) b.output("attention", attention);
  });
}

std::map<std::string, Tensor> inputs(std::int64_t n) {
  Tensor x(f32, {n, 64}), pos(i32, {n}), slot(i32, {n});
  std::mt19937 random(9);
  for (float& e : x.mutable_data<float>()) e = static_cast<float>(random() % 2001) / 1000 - 1;
  for (std::int64_t i = 0; i < n; ++i)
    pos.mutable_data<std::int32_t>()[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
  std::ranges::fill(slot.mutable_data<std::int32_t>(), 0);
  return {{"x", x}, {"pos", pos}, {"slot", slot}};
}

}  // namespace

TEST_CASE("fast: attention makes the blocks of the product behind it, for one row and for prompts") {
  sim_test::TestPackage package("plan_int8_attention");
  add_wo(package);
  const Model model = package.open();
  for (const std::int64_t most : {1, 40}) {
    CAPTURE(most);
    const plan::Plan blocks = attention_plan(attention_and_product(model, most, false), kPanels);
    const plan::Plan floats = attention_plan(attention_and_product(model, most, true), kPanels);
    const std::string text = to_text(blocks);
    INFO(text);
    CHECK(text.find("to_int8_") == text.npos);
    CHECK(text.find("y = sdpa_int8") != text.npos);
    CHECK(to_text(floats).find("to_int8_sdpa") != std::string::npos);  // somebody wants the value
    const auto y_of = [&](const plan::Plan& p) {
      return plan_test::InterpretedPlan(p, &model, {{"ctx", 600}, {"slots", 1}}).run("step", inputs(most)).at("y");
    };
    CHECK(std::ranges::equal(y_of(blocks).data<float>(), y_of(floats).data<float>()));
  }
  const auto apart = [&](const Graph& g, const kir::Target& target) {
    return to_text(attention_plan(g, target)).find("to_int8_sdpa") != std::string::npos;
  };
  CHECK(apart(attention_and_product(model, 40, false, 16), kPanels));  // heads of half a block
  CHECK(apart(attention_and_product(model, 40, false), {.lanes = 32, .subgroups = 4, .dot4 = Dot4::us}));
}
