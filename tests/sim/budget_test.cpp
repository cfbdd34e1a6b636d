// SPDX-License-Identifier: Apache-2.0
// Sessions with a memory budget: the same bits, out of the file; a proof before anything runs, or a refusal that names
// the smallest budget.
#include <catch2/catch.hpp>

#include <regex>

#include "layout_model.h"
#include "pages.h"
#include "small_llama.h"

using namespace sim_test;
using Catch::Contains;

namespace {

template <class F>
std::string message_of(const F& f, ErrorCode code) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.message();
  }
  FAIL("no error");
  return {};
}

std::int64_t smallest_budget(const Model& model, const Graph& g, SimOptions options) {
  options.memory_budget = 1;
  const std::string message = message_of([&] { SimSession(model, g, options); }, ErrorCode::out_of_memory);
  std::smatch number;
  REQUIRE(std::regex_search(message, number, std::regex("smallest memory budget that works is ([0-9]+) ")));
  return std::stoll(number[1]);
}

Batch prompt(std::int64_t count) {
  Batch batch;
  for (std::int64_t i = 0; i < count; ++i)
    batch.add(static_cast<std::int32_t>((i * 17 + 3) % kVocab), static_cast<std::int32_t>(i), 0);
  batch.want();
  return batch;
}

}  // namespace

TEST_CASE("a memory budget changes no bit of a llama's logits") {
  TestPackage package("sim_budget_llama");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  for (const int threads : {1, 3}) {
    const SimOptions free = {.threads = threads, .dims = {{"ctx", 24}, {"slots", 1}}};
    SimOptions bound = free;
    bound.memory_budget = smallest_budget(model, g, free);
    SimSession with(model, g, bound), without(model, g, free);
    CHECK(with.limits().at("N") >= 1);
    for (std::int32_t i = 0; i < 5; ++i) {
      Batch one;
      one.add((i * 17 + 3) % kVocab, i, 0);
      one.want();
      const Tensor expected = one.run(without);
      CHECK(one.run(with) == expected);
    }
    for (const char* key : {"tok_embeddings", "Wq.0", "Wgate.1", "lm_head", "final_norm"}) {
      INFO(key);
      if (threads == 3) continue;  // `without` reads the same mapping
      CHECK(with.stats().bytes_read == without.stats().bytes_read);
    }
  }
}

TEST_CASE("under a memory budget no page of the package is mapped in") {
  TestPackage package("sim_budget_pages");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimSession sim(model, g, {.dims = {{"ctx", 24}, {"slots", 1}}, .memory_budget = 1 << 24});
  prompt(7).run(sim);
  for (const TensorInfo& tensor : model.tensors()) {
    INFO(tensor.key);
    CHECK(present_pages(model.bytes(tensor.key)) == 0);
  }
}

TEST_CASE("a budget of one byte less than the smallest is refused, with the same figure") {
  TestPackage package("sim_budget_smallest");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimOptions options = {.threads = 2, .dims = {{"ctx", 24}, {"slots", 1}}};
  const std::int64_t smallest = smallest_budget(model, g, options);
  options.memory_budget = smallest - 1;
  CHECK_THAT(
      message_of([&] { SimSession(model, g, options); }, ErrorCode::out_of_memory),
      Contains(std::to_string(smallest - 1) + " bytes are too few") && Contains(std::to_string(smallest) + " ("));
  options.memory_budget = smallest;
  SimSession sim(model, g, options);
  prompt(1).run(sim);
  options.memory_budget = -1;
  message_of([&] { SimSession(model, g, options); }, ErrorCode::invalid_argument);
}

TEST_CASE("outputs are counted while they are made, as the step before gave them, and as a copy of a view") {
  const auto bytes = [](std::int64_t n, bool both) {
    const Graph g = graph([&](GraphBuilder& b) {
      const Value x = b.input("x", f32, {n});
      b.output("y", exp(x));
      if (both) b.output("z", neg(x));
    });
    SimOptions options = {.threads = 2, .memory_budget = 1};
    const std::string message = message_of([&] { SimSession(g, options); }, ErrorCode::out_of_memory);
    std::smatch number;
    REQUIRE(std::regex_search(message, number, std::regex("smallest memory budget that works is ([0-9]+) ")));
    return std::stoll(number[1]);
  };
  constexpr std::int64_t kOne = 3000 * 4;  // of one tensor of the larger graph beyond the smaller one's
  CHECK(bytes(4000, false) - bytes(1000, false) == kOne * (1 + 1 + 2));
  CHECK(bytes(4000, true) - bytes(1000, true) == kOne * (1 + 2 + 2 * 2));
}

TEST_CASE("limits say which steps fit; a larger one is refused before it runs") {
  TestPackage package("sim_budget_limits");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimOptions options = {.threads = 1, .dims = {{"ctx", 40}, {"slots", 1}}};
  CHECK(SimSession(model, g, options).limits().at("N") >= 40);  // no budget: the graph's bound
  options.memory_budget = smallest_budget(model, g, options) + 20000;
  SimSession sim(model, g, options);
  const std::int64_t most = sim.limits().at("N");
  CHECK(most > 1);
  REQUIRE(most < 40);
  CHECK_THAT(message_of([&] { prompt(40).run(sim); }, ErrorCode::out_of_memory),
             Contains("this step takes") && Contains("N = " + std::to_string(most)));
  SimSession same(model, g, options);
  options.memory_budget = 0;
  SimSession free(model, g, options);
  CHECK(prompt(most).run(same) == prompt(most).run(free));
  CHECK(prompt(most).run(sim) == prompt(most).run(free));  // the refused step wrote nothing
}

TEST_CASE("weights of every kind are read in tiles to the same bits") {
  TestPackage package("sim_budget_layout");
  fill_layout_model(package.writer());
  const Model model = package.open();
  const Graph g = layout_graph(model);
  SimOptions options = {.threads = 2};
  const Inputs inputs = {{"tok", std::vector<std::int32_t>{3, 47, 0, 3, 16}}};
  const Outputs expected = SimSession(model, g, options).run_step(inputs);
  options.memory_budget = smallest_budget(model, g, options) + 30000;
  const Outputs got = SimSession(model, g, options).run_step(inputs);
  for (const auto& [name, tensor] : expected.all()) {
    INFO(name);
    CHECK(got[name] == tensor);
  }
}

TEST_CASE("sizes that would make an extent negative are left out of the proof") {
  const Graph g = graph([](GraphBuilder& b) {
    const Dim N = b.dim("N", 0, 8);
    const Value x = b.input("x", f32, {N - 3});
    b.output("y", x + x);
  });
  for (const std::int64_t budget : {0, 1 << 20}) {
    SimSession sim(g, {.memory_budget = budget});
    CHECK(sim.run_step({{"x", Tensor(std::vector<float>{1, 2}, {2})}})["y"] == Tensor(std::vector<float>{2, 4}, {2}));
    CHECK(sim.limits().at("N") == 8);
  }
  const Graph down = graph([](GraphBuilder& b) {
    const Dim N = b.dim("N", 0, 20);
    b.output("y", exp(b.input("x", f32, {8 - N})));
    b.output("z", exp(b.input("z", f32, {N - 2})));
  });
  CHECK(SimSession(down, {.memory_budget = 1 << 20}).limits().at("N") == 8);
  const Graph none = graph([](GraphBuilder& b) {
    const Dim N = b.dim("N", 0, 8);
    b.output("y", exp(b.input("x", f32, {N - 30})));
  });
  CHECK_THAT(message_of([&] { SimSession(none, {.memory_budget = 1 << 20}); }, ErrorCode::invalid_argument),
             Contains("no sizes were found with which 'x' f32[N - 30] has no negative extent"));
}
