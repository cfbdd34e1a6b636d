// SPDX-License-Identifier: Apache-2.0
// A target with matrix units: prompts go to them, single rows do not, and the plan says why.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <random>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "tests/plan/interpreted_plan.h"

using namespace openinfer;

namespace {

Tensor eighths(Extents shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor t(f32, shape);
  for (float& x : t.mutable_data<float>())
    x = static_cast<float>(static_cast<int>(random() % 17) - 8) / 8.0f;  // f16 holds them
  return t;
}

/// y = silu(x · Wgateᵀ) * (x · Wupᵀ) + x · V, the last by columns.
Graph gated() {
  return graph([](GraphBuilder& b) {
    auto N = b.dim("N", 1, 40);
    auto x = b.input("x", f32, {N, 64});
    auto gate = b.constant("gate", eighths({48, 64}, 1)), up = b.constant("up", eighths({48, 64}, 2));
    auto v = b.constant("v", eighths({64, 48}, 3));
    auto mul = (matmul(x, gate, {.transpose_w = true}) | silu()) * matmul(x, up, {.transpose_w = true});
    b.output("y", mul + matmul(x, v));
  });
}

plan::Plan plan_of(const kir::Target& target) {
  plan::Plan p = plan::lower(
      run_passes(gated(), compilation_passes()).graph,
      {.name = "test", .target = target, .entries = {{"decode", {{"N", {1, 1}}}}, {"prefill", {{"N", {1, 40}}}}}});
  plan::run_passes(p);
  return p;
}

}  // namespace

TEST_CASE("prompts go to matrix units where the target has them; the plan says why others do not") {
  const kir::Target with = {.lanes = 32, .subgroups = 4, .mma = MmaShape{.m = 16, .n = 8, .k = 16}};
  const std::string text = to_text(plan_of(with)), decode = text.substr(0, text.find("entry prefill")),
                    prefill = text.substr(decode.size());
  INFO(text);
  CHECK_THAT(prefill,
             Catch::Contains("why: matrix units, 16x8x16 f16 with sums in f32: tiles of 64 rows and 32 columns"));
  CHECK_THAT(prefill, Catch::Contains("; not by matrix units: operand lies by columns"));
  CHECK_THAT(decode, Catch::Contains("; not by matrix units: at most 1 rows") && !Catch::Contains("why: matrix units"));
  CHECK_THAT(to_text(plan_of({.lanes = 32, .subgroups = 4})), !Catch::Contains("matrix units"));
}

TEST_CASE("a plan with matrix units computes what one without does") {
  const Tensor x = eighths({37, 64}, 4);
  std::vector<Tensor> results;
  for (const bool mma : {false, true}) {
    kir::Target target = {.lanes = 32, .subgroups = 4};
    if (mma) target.mma = MmaShape{.m = 16, .n = 8, .k = 16};
    const plan::Plan p = plan_of(target);
    results.push_back(plan_test::InterpretedPlan(p, nullptr).run("prefill", {{"x", x}}).at("y"));
  }
  // Operands are numbers that f16 holds, products and their sums are exact in f32: the same bits.
  for (std::size_t i = 0; i < 37 * 48; ++i) CHECK(results[0].data<float>()[i] == results[1].data<float>()[i]);
}
