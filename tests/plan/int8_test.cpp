// SPDX-License-Identifier: Apache-2.0
// Numerics fast and bf16: which products multiply 8-bit blocks or bf16, who makes the rows of those, and that all of it
// computes the right thing.
#include <openinfer/openinfer.h>

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>

#include "codegen/plan/lower.h"
#include "codegen/plan/pipeline.h"
#include "codegen/plan/print.h"
#include "lib/passes/pipeline.h"
#include "openinfer/half.h"
#include "tests/distance.h"
#include "tests/plan/interpreted_plan.h"
#include "tests/sim/test_package.h"

using namespace openinfer;
using plan_test::InterpretedPlan;
using sim_test::TestPackage;

namespace {

using testing::distance;

constexpr std::int64_t kWidth = 64, kHidden = 96;

plan::Plan fast_plan(const Graph& g, kir::Target target, Numerics numerics = Numerics::fast, bool fuse = true) {
  PassOptions options;
  if (!fuse) options.no_fuse = {"all"};
  plan::Plan p = plan::lower(run_passes(g, compilation_passes(), options).graph,
                             {.name = "test", .target = target, .numerics = numerics, .entries = {}});
  plan::run_passes(p);
  return p;
}

/// (in, out) as it lies, by rows of `in` elements: blocks of 32 with a scale and random quants.
void add_blocks(TestPackage& package, const std::string& key, const char* dtype, std::int64_t in, std::int64_t out,
                std::mt19937& random) {
  const bool bytes = std::string_view(dtype) == "q8_0";
  std::vector<std::uint16_t> blocks;
  for (std::int64_t i = 0; i < in * out / 32; ++i) {
    blocks.push_back(float_to_half(bytes ? 0.002f : 0.03f));
    for (int j = 0; j < (bytes ? 16 : 8); ++j) blocks.push_back(static_cast<std::uint16_t>(random()));
  }
  opnf::TensorSpec spec;
  spec.key = key;
  spec.dtype = dtype;
  spec.shape = {static_cast<std::uint64_t>(in), static_cast<std::uint64_t>(out)};
  spec.transposed = true;
  package.writer().tensor(std::move(spec), std::as_bytes(std::span(blocks)));
}

std::vector<float> numbers(std::int64_t count, std::mt19937& random, float around = 0) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(around + static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 1000.0f);
  return values;
}

/// Two layers of h + down(silu(gate(n)) · up(n)), n = rms_norm(h), and a head. `second` is the dtype of the second
/// down.
void fill(TestPackage& package, const char* second = "q8_0") {
  std::mt19937 random(5);
  for (const char* layer : {"0", "1"}) {
    const std::string l = layer;
    package.add("norm." + l, {kWidth}, numbers(kWidth, random, 1));
    add_blocks(package, "gate." + l, "q8_0", kWidth, kHidden, random);
    add_blocks(package, "up." + l, "q8_0", kWidth, kHidden, random);
    if (l == "1" && std::string_view(second) == "f32")
      package.add("down.1", {kHidden, kWidth}, numbers(kHidden * kWidth, random), true);
    else
      add_blocks(package, "down." + l, l == "1" ? second : "q8_0", kHidden, kWidth, random);
  }
  add_blocks(package, "head", "q8_0", kWidth, 40, random);
}

Graph layers(const Model& model, std::int64_t most = 9) {
  return graph(model, [&](GraphBuilder& b) {
    auto N = b.dim("N", 1, most);
    auto x = b.input("x", f32, {N, kWidth});
    auto y = b.loop("l", 0, 2, x, [&](Index l, Value h) {
      auto n = rms_norm(h, model("norm.{}", l));
      auto gate = matmul(n, model("gate.{}", l)) | silu();
      return h + matmul(gate * matmul(n, model("up.{}", l)), model("down.{}", l));
    });
    b.output("y", matmul(y, model["head"]));
  });
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Tensor rows(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  const std::vector<float> values = numbers(n * kWidth, random);
  Tensor t(f32, {n, kWidth});
  std::copy(values.begin(), values.end(), t.mutable_data<float>().begin());
  return t;
}

const std::vector<kir::Target> kDotTargets = {{.lanes = 1, .dot4 = Dot4::us},
                                              {.lanes = 16, .dot4 = Dot4::us},
                                              {.lanes = 16, .dot4 = Dot4::us_sat16},
                                              {.lanes = 8, .subgroups = 2, .dot4 = Dot4::ss},
                                              {.lanes = 16, .dot4 = Dot4::us, .panels = true, .core_cache = true}};

/// Each activation is off by at most 1/254 of the largest of its block, about a three-hundredth of its own size on
/// average (a uniform rounding of 1/127 has a deviation of 1/127/√12, largest to mean 3); a sum of many is off by as
/// much, and five products follow each other. Twice that much for the largest of a few hundred results; more than
/// 1e-4, or nothing was rounded.
constexpr double kLeast = 1e-4, kMost = 0.03;

}  // namespace

TEST_CASE("fast: a norm makes the blocks of what follows it, others have a dispatch of their own") {
  TestPackage package("plan_int8");
  fill(package);
  const Model model = package.open();
  const Graph g = layers(model);
  const std::string text = to_text(fast_plan(g, {.lanes = 16, .dot4 = Dot4::us}));
  INFO(text);
  CHECK(count(text, "int8_rows = ") == 1);
  CHECK(count(text, " to_int8_") == 2 + 2);  // of what down reads, and of the head's; each dispatch and its kernel
  CHECK(count(text, "int8 dot: the device has dot4 us") == 3);
  CHECK(text.find("mul_int8 = to_int8") != text.npos);

  const std::string apart = to_text(fast_plan(g, {.lanes = 16, .dot4 = Dot4::us}, Numerics::fast, false));
  INFO(apart);
  CHECK(count(apart, "int8 dot: the device has dot4 us") == 4);       // gate and up apart, which share their blocks
  CHECK(count(apart, "8-bit blocks for integer dot products") == 2);  // norms leave theirs, and nothing else
  CHECK(apart.find("norm_2") == apart.npos);
}

TEST_CASE("fast: a product makes the blocks of what follows it where its panels hold whole ones") {
  TestPackage package("plan_int8");
  fill(package);
  const Model model = package.open();
  const kir::Target panels = {.lanes = 16, .dot4 = Dot4::us, .panels = true, .core_cache = true};
  const auto entry_of = [&](const Graph& g, kir::Target target) { return to_text(fast_plan(g, target)); };
  const std::string text = entry_of(layers(model), panels);
  INFO(text);
  CHECK(text.find("to_int8_mul") == text.npos);
  CHECK(count(text, "mul_int8 = mul_int8") == 2);  // written, and read
  CHECK(count(text, "results in 8-bit blocks, of two panels each; ") == 1);
  CHECK(text.find("f32(N, 96)") == text.npos);  // the value itself is nowhere

  kir::Target several = panels;
  several.subgroups = 2;
  CHECK(entry_of(layers(model), several).find("to_int8_mul") != text.npos);
  const Graph seen = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {9, kWidth});
    auto mul = matmul(x, model["gate.0"]) * matmul(x, model["up.0"]);
    b.output("y", matmul(mul, model["down.0"]));
    b.output("mul", mul);
  });
  CHECK(count(entry_of(seen, panels), "results in 8-bit blocks") == 0);  // somebody wants the value
  const Graph shared = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {9, kWidth});
    auto mul = matmul(x, model["gate.0"]) | silu();
    b.output("y", matmul(mul, model["down.0"]));
    b.output("z", matmul(mul, model["down.1"]));
  });
  CHECK(count(entry_of(shared, panels), "results in 8-bit blocks") == 1);            // two readers of the same rows
  CHECK(count(entry_of(layers(model, 7), panels), "results in 8-bit blocks") == 0);  // few rows are a stream
}

TEST_CASE("fast: a tap looks at the blocks of a value that is nowhere else") {
  TestPackage package("plan_int8");
  fill(package);
  const Model model = package.open();
  const kir::Target panels = {.lanes = 16, .dot4 = Dot4::us, .panels = true, .core_cache = true};
  plan::Plan p =
      plan::lower(run_passes(layers(model), compilation_passes(), {}).graph,
                  {.name = "test", .target = panels, .numerics = Numerics::fast, .entries = {}, .taps = true});
  plan::run_passes(p);
  std::map<std::string, std::string> elements;
  for (const plan::Tap& tap : p.taps) {
    if (!tap.result.int8) continue;
    CHECK(p.buffers[static_cast<std::size_t>(tap.result.place.buffer)].name == tap.result.value + "_int8");
    elements[tap.result.value] = tap.result.elements.text();
  }
  CHECK(elements == std::map<std::string, std::string>{{"norm", "N * 24"}, {"mul", "N * 36"}});
}

TEST_CASE("fast: a device without integer dot products gets the other kernels, and the plan says so") {
  TestPackage package("plan_int8");
  fill(package);
  const Model model = package.open();
  const Graph g = layers(model);
  const std::string text = to_text(fast_plan(g, {.lanes = 16}));
  INFO(text);
  CHECK(count(text, "f32: the device has no integer dot product") == 3);
  CHECK(text.find("_int8") == text.npos);
  CHECK(fast_plan(g, {.lanes = 16}).entries[0].int8_products.empty());
  CHECK(fast_plan(g, {.lanes = 16, .dot4 = Dot4::us}).entries[0].int8_products.size() == 4);
  const std::string strict = to_text(fast_plan(g, {.lanes = 16, .dot4 = Dot4::us}, Numerics::strict));
  CHECK(strict == to_text(fast_plan(g, {.lanes = 16}, Numerics::strict)));
}

TEST_CASE("fast: families that mix formats with bytes have a kernel for each; one without makes all f32") {
  for (const char* second : {"q4_0", "f32"}) {
    TestPackage package(std::string("plan_int8_") + second);
    fill(package, second);
    const Model model = package.open();
    const std::string text = to_text(fast_plan(layers(model), {.lanes = 16, .dot4 = Dot4::us}));
    INFO(text);
    CHECK(count(text, "matmul_down|matmul_down_2") == 1);
    const bool bytes = std::string_view(second) != "f32";
    CHECK(count(text, "f32: f32 has no bytes for integer dot products") == (bytes ? 0 : 1));
    CHECK(count(text, "int8 dot: the device has dot4 us") == (bytes ? 3 : 2));
    const Tensor x = rows(3, 4);
    SimSession sim(model, layers(model));
    const Outputs want = sim.run_step({{"x", x}});
    const plan::Plan p = fast_plan(layers(model), {.lanes = 16, .dot4 = Dot4::us});
    CHECK(distance(InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"), want["y"]) <= kMost);
  }
}

TEST_CASE("families that mix floats and blocks have one schedule on devices with tiles of floats too") {
  TestPackage package("plan_mixed_tiles");
  fill(package, "f32");
  const Model model = package.open();
  const kir::Target target = {.lanes = 8, .dot4 = Dot4::us, .tuned = {{"tile_depth", 128}, {"few_rows_at_once", 4}}};
  for (const std::int64_t most : {8, 9}) {
    const Graph g = layers(model, most);
    SimSession sim(model, g);
    for (const Numerics numerics : {Numerics::strict, Numerics::fast}) {
      const plan::Plan p = fast_plan(g, target, numerics);
      INFO(to_text(p));
      CHECK(count(to_text(p), "the family's dtypes share no other schedule") == 1);
      const Tensor x = rows(most, 4);
      const Outputs want = sim.run_step({{"x", x}});
      CHECK(distance(InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"), want["y"]) <= kMost);
    }
  }
}

TEST_CASE("fast: a plan computes what the simulator computes but for 8 bits") {
  TestPackage package("plan_int8");
  fill(package);
  const Model model = package.open();
  const Graph g = layers(model);
  SimSession sim(model, g);
  for (const kir::Target& target : kDotTargets)
    for (const bool fuse : {true, false})
      for (const std::int64_t n : {1, 3, 9}) {
        CAPTURE(target.lanes, target.subgroups, name(target.dot4), fuse, n);
        const Tensor x = rows(n, 4);
        const Outputs want = sim.run_step({{"x", x}});
        const plan::Plan p = fast_plan(g, target, Numerics::fast, fuse);
        const double off = distance(InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"), want["y"]);
        CHECK(off >= kLeast);
        CHECK(off <= kMost);
      }
}

TEST_CASE("fast: blocks that a branch made are not there behind it") {
  TestPackage package("plan_int8");
  fill(package);
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {2, kWidth});
    auto p = b.input("p", boolean, {});
    auto y = b.cond(
        p, [&] { return matmul(x, model["gate.0"]) * 2.0; }, [&] { return matmul(x, model["gate.1"]); });
    b.output("y", y);
    b.output("z", matmul(x, model["head"]));
  });
  const plan::Plan plan = fast_plan(g, {.lanes = 16, .dot4 = Dot4::us});
  const std::string text = to_text(plan);
  INFO(text);
  CHECK(count(text, "x_int8 = to_int8") == 3);
  SimSession sim(model, g);
  for (const bool taken : {true, false}) {
    Tensor p(boolean, {});
    p.mutable_bytes()[0] = static_cast<std::byte>(taken);
    const Tensor x = rows(2, 8);
    const Outputs want = sim.run_step({{"x", x}, {"p", p}});
    const auto got = InterpretedPlan(plan, &model).run("step", {{"x", x}, {"p", p}});
    CHECK(distance(got.at("y"), want["y"]) <= kMost);
    CHECK(distance(got.at("z"), want["z"]) <= kMost);
  }
}

TEST_CASE("fast: prompts over panels go to matrix units of bf16, and the plan says what does not") {
  const kir::Target tiles = {.lanes = 16,
                             .dot4 = Dot4::us,
                             .panels = true,
                             .core_cache = true,
                             .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
  TestPackage package("plan_bf16");
  fill(package);
  const Model model = package.open();
  const plan::Plan plan = fast_plan(layers(model, 40), tiles);
  const std::string text = to_text(plan);
  INFO(text);
  CHECK(count(text, "why: matrix units, 32x32x32 bf16 with sums in f32: 32 columns of W decoded once for 40 rows") ==
        2);
  CHECK(count(text, "bf16_rows = ") == 1);        // by the norm
  CHECK(count(text, "mul_bf16 = to_bf16") == 1);  // of what down reads
  CHECK(text.find("(N + 31, 96)") != text.npos);  // the norm's, 64 wide
  CHECK(count(text, "int8 dot: the device has dot4 us; not by matrix units: head is q8_0 in rows") == 1);
  CHECK(plan.entries[0].bf16_products.size() == 3);
  CHECK(plan.entries[0].int8_products.size() == 1);
  // Fewer rows, or strict: as on a device without.
  kir::Target without = tiles;
  without.mma = {};
  CHECK(to_text(fast_plan(layers(model), tiles)) == to_text(fast_plan(layers(model), without)));
  CHECK(to_text(fast_plan(layers(model, 40), tiles, Numerics::strict)) ==
        to_text(fast_plan(layers(model, 40), without, Numerics::strict)));
}

TEST_CASE("fast: a plan by matrix units of bf16 computes what the simulator computes but for roundings to bf16") {
  const kir::Target tiles = {.lanes = 16,
                             .dot4 = Dot4::us,
                             .panels = true,
                             .core_cache = true,
                             .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
  TestPackage package("plan_bf16");
  fill(package, "q4_0");
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto N = b.dim("N", 1, 40);
    auto x = b.input("x", f32, {N, kWidth});
    b.output("y", b.loop("l", 0, 2, x, [&](Index l, Value h) {
      auto n = rms_norm(h, model("norm.{}", l));
      auto gate = matmul(n, model("gate.{}", l)) | silu();
      return h + matmul(gate * matmul(n, model("up.{}", l)), model("down.{}", l));
    }));
  });
  SimSession sim(model, g);
  for (const bool fuse : {true, false})
    for (const std::int64_t n : {1, 33, 40}) {
      CAPTURE(fuse, n);
      const Tensor x = rows(n, 4);
      const Outputs want = sim.run_step({{"x", x}});
      const plan::Plan p = fast_plan(g, tiles, Numerics::fast, fuse);
      const double off = distance(InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"), want["y"]);
      // An operand is off by at most 2^-8 of its size, by a third of that on average; sums of many by as much, twice.
      CHECK(off >= 1e-5);
      CHECK(off <= 0.01);
    }
}

namespace {

const kir::Target kPairs = {
    .lanes = 16, .dot4 = Dot4::us, .bf16_dot = true, .panels = true, .tuned = {{"tile_depth", 64}}};

std::string without(std::string text, std::string_view part) {
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part)) text.erase(at, part.size());
  return text;
}

}  // namespace

TEST_CASE("bf16: products of many rows multiply pairs where that is faster, and the plan says what does not") {
  TestPackage package("plan_bf16_pairs");
  fill(package);
  const Model model = package.open();
  const plan::Plan plan = fast_plan(layers(model, 40), kPairs, Numerics::bf16);
  const std::string text = to_text(plan);
  INFO(text);
  CHECK(count(text, "why: pairs of bf16 with sums in f32: ") == 2);
  CHECK(count(text, "bf16_rows = ") == 1);        // by the norm
  CHECK(count(text, "mul_bf16 = to_bf16") == 1);  // of what down reads
  CHECK(count(text, "; f32: head is q8_0 in rows") == 1);
  CHECK(plan.entries[0].bf16_products.size() == 3);
  CHECK(plan.entries[0].int8_products.empty());
  CHECK(count(to_text(fast_plan(layers(model, 8), kPairs, Numerics::bf16)), "; f32: at most 8 rows") == 3);
}

TEST_CASE("bf16: a device that has no such rate gets the kernels of strict, and the plan says so") {
  TestPackage package("plan_bf16_pairs");
  fill(package);
  const Model model = package.open();
  kir::Target plain = kPairs;
  plain.bf16_dot = false;
  const std::string text = to_text(fast_plan(layers(model, 40), plain, Numerics::bf16));
  INFO(text);
  constexpr std::string_view kWhy = "; f32: no kernel for the device multiplies bf16 faster than f32";
  CHECK(count(text, std::string(kWhy)) == 3);
  constexpr std::string_view kNote =
      "note: numerics bf16 compute as strict: kernels for this device multiply no bf16 faster than f32\n";
  CHECK(count(text, std::string(kNote)) == 1);
  CHECK(without(without(text, kWhy), kNote) == to_text(fast_plan(layers(model, 40), plain, Numerics::strict)));
}

TEST_CASE("bf16: matrix units of bf16 serve it where there are some") {
  const kir::Target tiles = {.lanes = 16,
                             .panels = true,
                             .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
  TestPackage package("plan_bf16_units");
  fill(package);
  const Model model = package.open();
  const std::string text = to_text(fast_plan(layers(model, 40), tiles, Numerics::bf16));
  INFO(text);
  CHECK(count(text, "why: matrix units, 32x32x32 bf16 with sums in f32: 32 columns of W decoded once for 40 rows") ==
        2);
  CHECK(count(text, "; f32: head is q8_0 in rows") == 1);
}

TEST_CASE("bf16: a plan computes what the simulator computes but for roundings to bf16") {
  TestPackage package("plan_bf16_pairs");
  fill(package, "q4_0");
  const Model model = package.open();
  const Graph g = layers(model, 40);
  SimSession sim(model, g);
  for (const bool fuse : {true, false})
    for (const std::int64_t n : {1, 33, 40}) {
      CAPTURE(fuse, n);
      const Tensor x = rows(n, 4);
      const Outputs want = sim.run_step({{"x", x}});
      const plan::Plan p = fast_plan(g, kPairs, Numerics::bf16, fuse);
      const double off = distance(InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"), want["y"]);
      CHECK(off >= 1e-5);  // as above
      CHECK(off <= 0.01);
    }
}

TEST_CASE("fast: attention of prompts multiplies pairs of bf16 where that is faster, and says so") {
  const Graph g = graph([](GraphBuilder& b) {
    const auto N = b.dim("N", 1, 40);
    const auto kv = b.state("kv", kv_cache({.layers = 1, .capacity = 64, .heads = 2, .head_dim = 32}));
    const auto x = b.input("x", f32, {N, 64});
    const auto pos = b.input("pos", i32, {N}), slot = b.input("slot", i32, {N});
    kv_write(kv, {.layer = 0, .pos = pos, .slot = slot}, x, x);
    const auto [keys, values] = kv_read(kv, {.layer = 0});
    b.output("y", sdpa(x, keys, values, {.pos = pos, .slot = slot}));
  });
  kir::Target target = kPairs;
  target.core_cache = true;
  const auto plan_in = [&](Numerics numerics) { return fast_plan(g, target, numerics); };
  const plan::Plan fast = plan_in(Numerics::fast);
  CHECK(count(to_text(fast), "keys in pairs of bf16, 64 at a time") == 1);
  CHECK(fast.entries[0].bf16_products.size() == 1);
  CHECK(fast.entries[0].bf16_scores == fast.entries[0].bf16_products);
  for (const Numerics numerics : {Numerics::strict, Numerics::bf16})
    CHECK(plan_in(numerics).entries[0].bf16_products.empty());
  target.mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32};
  CHECK(plan_in(Numerics::fast).entries[0].bf16_products.size() == 1);  // into two parts: bounds are closer
  CHECK(plan_in(Numerics::fast).entries[0].bf16_scores.empty());
}

TEST_CASE("fast: prompts over weights without bytes multiply pairs of bf16 where that is faster") {
  TestPackage package("plan_fast_pairs");
  std::mt19937 random(5);
  package.add("w", {kWidth, kHidden}, numbers(kWidth * kHidden, random), true);
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto x = b.input("x", f32, {b.dim("N", 1, 40), kWidth});
    b.output("y", matmul(x, model["w"]));
  });
  const plan::Plan plan = fast_plan(g, kPairs);
  const std::string text = to_text(plan);
  INFO(text);
  CHECK(count(text, "why: pairs of bf16 with sums in f32: ") == 1);
  CHECK(count(text, "; not int8: f32 has no bytes for integer dot products") == 1);
  CHECK(plan.entries[0].bf16_products.size() == 1);
  kir::Target plain = kPairs;
  plain.bf16_dot = false;
  CHECK(count(to_text(fast_plan(g, plain)), "; f32: f32 has no bytes for integer dot products") == 1);
}

TEST_CASE("fast: few rows over floats in rows multiply pairs of bf16, one row and panels do not") {
  constexpr std::string_view kWhy = "why: pairs of bf16 with sums in f32: 4 columns of W at a time";
  TestPackage package("plan_fast_columns");
  std::mt19937 random(5);
  for (const char* key : {"gate", "up"}) package.add(key, {kWidth, kHidden}, numbers(kWidth * kHidden, random), true);
  package.add("down", {kHidden, kWidth}, numbers(kWidth * kHidden, random), true);
  package.add("norm", {kWidth}, numbers(kWidth, random));
  const Model model = package.open();
  const auto of_rows = [&](std::int64_t most) {
    return graph(model, [&](GraphBuilder& b) {
      auto x = b.input("x", f32, {b.dim("N", 1, most), kWidth});
      auto n = rms_norm(x, model["norm"]);
      b.output("y", x + matmul((matmul(n, model["gate"]) | silu()) * matmul(n, model["up"]), model["down"]));
    });
  };
  for (const Numerics numerics : {Numerics::fast, Numerics::bf16}) {
    const plan::Plan plan = fast_plan(of_rows(8), kPairs, numerics);
    const std::string text = to_text(plan);
    INFO(text);
    CHECK(count(text, std::string(kWhy)) == 2);
    CHECK(count(text, "bf16_rows = ") == 1);        // by the norm
    CHECK(count(text, "mul_bf16 = to_bf16") == 1);  // of what down reads
    CHECK(plan.entries[0].bf16_products.size() == 3);
    const std::string one = to_text(fast_plan(of_rows(1), kPairs, numerics));
    CHECK(count(one, "bf16_rows") == 0);
    CHECK(count(one, numerics == Numerics::fast ? "; f32: f32 has no bytes for integer dot products"
                                                : "; f32: at most 1 rows") == 2);
  }
  const Graph g = of_rows(8);
  CHECK(count(to_text(fast_plan(g, kPairs, Numerics::strict)), "bf16") == 0);
  SimSession sim(model, g);
  for (const bool fuse : {true, false})
    for (const std::int64_t n : {1, 2, 7, 8}) {
      CAPTURE(fuse, n);
      const Tensor x = rows(n, 4);
      const Outputs want = sim.run_step({{"x", x}});
      const plan::Plan p = fast_plan(g, kPairs, Numerics::bf16, fuse);
      const double off = distance(InterpretedPlan(p, &model).run("step", {{"x", x}}).at("y"), want["y"]);
      CHECK(off >= 1e-5);  // as above
      CHECK(off <= 0.01);
    }
}
