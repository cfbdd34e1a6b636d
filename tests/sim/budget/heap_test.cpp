// SPDX-License-Identifier: Apache-2.0
// What steps take from the heap, measured, stays within the budget that was proven, and the proof is no wild guess.
#include <catch2/catch.hpp>

#include <random>

#include "heap.h"
#include "openinfer/models/llama.h"
#include "smallest.h"
#include "tests/sim/test_package.h"

using namespace openinfer;

namespace {

constexpr std::int64_t kVocab = 3000, kWidth = 256, kHidden = 1024, kLayers = 2, kContext = 256;

void fill(sim_test::TestPackage& package) {
  std::mt19937 random(3);
  auto& w = package.writer();
  w.meta("n_layers", kLayers);
  w.meta("n_kv_heads", std::int64_t{2});
  w.meta("ctx_len", kContext);
  w.meta("head_dim", std::int64_t{64});
  w.meta("rms_norm_eps", 1e-5);
  w.meta("rope_theta", 10000.0);
  const auto add = [&](const std::string& key, std::uint64_t in, std::uint64_t out, bool transposed) {
    std::vector<float> values(in * out);
    for (float& v : values) v = static_cast<float>(static_cast<std::int32_t>(random() % 2001) - 1000) * 5e-5f;
    package.add(key, in == 1 ? std::vector{out} : std::vector{in, out}, values, transposed);
  };
  add("tok_embeddings", kVocab, kWidth, false);
  for (std::int64_t l = 0; l < kLayers; ++l) {
    const std::string n = "." + std::to_string(l);
    add("attn_norm" + n, 1, kWidth, false);
    add("mlp_norm" + n, 1, kWidth, false);
    add("Wq" + n, kWidth, kWidth, true);
    add("Wk" + n, kWidth, 128, true);
    add("Wv" + n, kWidth, 128, true);
    add("Wo" + n, kWidth, kWidth, true);
    add("Wgate" + n, kWidth, kHidden, true);
    add("Wup" + n, kWidth, kHidden, true);
    add("Wdown" + n, kHidden, kWidth, true);
  }
  add("final_norm", 1, kWidth, false);
  add("lm_head", kWidth, kVocab, true);
}

Outputs step(SimSession& sim, std::int64_t n, std::int64_t first) {
  std::vector<std::int32_t> tok, pos;
  for (std::int64_t i = 0; i < n; ++i) {
    tok.push_back(static_cast<std::int32_t>(i * 37 % kVocab));
    pos.push_back(static_cast<std::int32_t>(first + i));
  }
  return sim.run_step({{"tok", tok},
                       {"pos", pos},
                       {"slot", std::vector<std::int32_t>(tok.size(), 0)},
                       {"rows", std::vector<std::int32_t>{static_cast<std::int32_t>(n - 1)}}});
}

}  // namespace

TEST_CASE("a transposed weight that a region hands on is turned within the memory budget") {
  if (!heap::counts()) return;
  constexpr std::int64_t kRows = 300, kColumns = 700;
  sim_test::TestPackage package("sim_budget_turned");
  std::vector<float> values(kRows * kColumns);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  for (const char* key : {"A", "B"}) package.add(key, {kRows, kColumns}, values, true);
  const Model model = package.open();
  const std::string head =
      "oig 1\nweight @A : f32[300, 700]\nweight @B : f32[300, 700]\ngraph (x: f32[300, 700], p: bool[]) -> ";
  const std::vector<std::string> bodies = {
      "(y: f32[]) {\n  c = if p { next @A } else { next @B }\n  y = sum(c, axes=[0, 1])\n  return y\n}\n",
      "(y: f32[300, 700]) {\n  y = if p { next @A } else { next @B }\n  return y\n}\n",
      "(y: f32[]) {\n  for l in 0..3 carry c = @A, s = 0.0 {\n    t = sum(c, axes=[0, 1])\n    s.1 = s + t\n"
      "    next @B, s.1\n  }\n  y = s + 1.0\n  return y\n}\n",
      "(y: f32[300, 700]) {\n  y = x + @A\n  return y\n}\n"};
  for (const std::string& rest : bodies) {
    const Graph g = parse_graph(head + rest, "turned.oig");
    SimOptions options = {.threads = 1};
    options.memory_budget = smallest(model, g, options);
    const Inputs inputs = {{"x", Tensor(f32, {kRows, kColumns})}, {"p", Tensor::scalar(true)}};
    const Outputs expected = SimSession(model, g, {.threads = 1}).run_step(inputs);
    const std::int64_t before = heap::now();
    SimSession sim(model, g, options);
    heap::reset_peak();
    Outputs held = sim.run_step(inputs);
    held = sim.run_step(inputs);
    const std::int64_t taken = heap::peak() - before;
    INFO(rest << "budget " << options.memory_budget << ", taken " << taken);
    CHECK(taken <= options.memory_budget + kTables);
    CHECK(held["y"] == expected["y"]);
  }
}

TEST_CASE("what a step takes stays within the memory budget") {
  if (!heap::counts()) return;
  sim_test::TestPackage package("sim_budget_heap");
  fill(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  for (const int threads : {1, 3})
    for (const std::int64_t more : {std::int64_t{0}, std::int64_t{300} << 10, std::int64_t{3} << 20}) {
      SimOptions options = {.threads = threads, .dims = {{"ctx", kContext}, {"slots", 1}}};
      options.memory_budget = smallest(model, g, options) + more;
      const std::int64_t before = heap::now();
      SimSession sim(model, g, options);
      const std::int64_t n = std::min(sim.limits().at("N"), kContext - 2);
      heap::reset_peak();
      Outputs held = step(sim, n, 0);
      held = step(sim, 1, n);  // the caller still has the outputs of the step before
      const auto states = static_cast<std::int64_t>(sim.stats().state_bytes);
      const std::int64_t taken = heap::peak() - before + states;
      INFO(threads << " threads, N = " << n << ", budget " << options.memory_budget << ", taken " << taken);
      CHECK(taken <= options.memory_budget + kTables);
      if (n < kContext - 2) CHECK(taken - states >= (options.memory_budget - states) / 3);  // what was proven is used
    }
}
