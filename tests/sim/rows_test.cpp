// SPDX-License-Identifier: Apache-2.0
// Rows, not batches: what a sequence computes does not depend on who shares its steps, on the slot it sits in, on who
// sat there before, or on the number of threads.
#include <catch2/catch.hpp>
#include <optional>
#include <thread>

#include "small_llama.h"
#include "test_ops.h"

using namespace sim_test;
using Catch::Contains;

namespace {

struct Sequence {
  std::vector<std::int32_t> prompt;
  int start = 0;     // the step that reads its prompt
  int generate = 0;  // steps after which it leaves
  std::vector<std::vector<float>> logits = {};
  std::vector<std::int32_t> tokens = {};  // generated
  std::optional<std::int32_t> slot = {};
  std::size_t row = 0;

  bool done() const { return static_cast<int>(logits.size()) == generate; }
  /// Adds this step's rows: the whole prompt first, then the last token.
  void add_to(Batch& batch, std::int32_t in_slot) {
    if (tokens.empty())
      for (std::size_t i = 0; i < prompt.size(); ++i) batch.add(prompt[i], static_cast<std::int32_t>(i), in_slot);
    else
      batch.add(tokens.back(), static_cast<std::int32_t>(prompt.size() + tokens.size()) - 1, in_slot);
    row = batch.want();
  }
  void take(const Tensor& out) {
    logits.push_back(row_of(out, row));
    tokens.push_back(greedy(logits.back()));
  }
};

std::vector<Sequence> sixteen() {
  std::mt19937 random(3);
  std::vector<Sequence> sequences;
  for (int s = 0; s < 16; ++s) {
    Sequence one;
    one.start = s * 2 / 3;
    one.generate = 2 + static_cast<int>(random() % 7);
    for (std::uint32_t i = 1 + random() % 9; i > 0; --i)
      one.prompt.push_back(static_cast<std::int32_t>(random() % kVocab));
    sequences.push_back(one);
  }
  return sequences;
}

Sequence alone(const Model& model, const Graph& g, Sequence sequence) {
  SimSession sim(model, g, {.threads = 1, .dims = {{"slots", 1}}});
  while (!sequence.done()) {
    Batch batch;
    sequence.add_to(batch, 0);
    sequence.take(batch.run(sim));
  }
  return sequence;
}

/// A sequence starts when its step has come and a slot is free; slots are used again.
void run_together(SimSession& sim, std::vector<Sequence>& sequences, int slots) {
  std::vector<bool> taken(static_cast<std::size_t>(slots));
  for (int step = 0; step < 1000; ++step) {
    Batch batch;
    std::vector<Sequence*> active;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      // Another order of rows at each step.
      Sequence& s = sequences[(i * 5 + static_cast<std::size_t>(step)) % sequences.size()];
      if (s.done() || step < s.start) continue;
      if (!s.slot) {
        const auto free = std::find(taken.begin(), taken.end(), false);
        if (free == taken.end()) continue;
        *free = true;
        s.slot = static_cast<std::int32_t>(free - taken.begin());
      }
      s.add_to(batch, *s.slot);
      active.push_back(&s);
    }
    if (active.empty()) return;
    const Tensor out = batch.run(sim);
    for (Sequence* s : active) {
      s->take(out);
      if (s->done()) taken[static_cast<std::size_t>(*s->slot)] = false;
    }
  }
  FAIL("the sequences do not end");
}

}  // namespace

TEST_CASE("sixteen sequences in one batch equal their own single runs bit for bit") {
  TestPackage package("sim_rows");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  for (int slots : {16, 5}) {
    auto together = sixteen();
    SimSession sim(model, g, {.threads = 2, .dims = {{"slots", slots}}});
    run_together(sim, together, slots);
    const auto sequences = sixteen();
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const Sequence own = alone(model, g, sequences[i]);
      INFO("sequence " << i);
      CHECK(together[i].tokens == own.tokens);
      CHECK(together[i].logits == own.logits);
    }
  }
}

TEST_CASE("a prompt in one step equals the prompt token by token, and wanted rows only choose") {
  TestPackage package("sim_rows_prompt");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimSession whole(model, g), single(model, g);
  Batch all;
  std::vector<std::vector<float>> expected;
  for (std::int32_t i = 0; i < 20; ++i) {
    Batch one;
    one.add(i * 7 % kVocab, i, 3);
    one.want();
    all.add(i * 7 % kVocab, i, 3);
    all.want();
    expected.push_back(row_of(one.run(single), 0));
  }
  const Tensor logits = all.run(whole);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(row_of(logits, i) == expected[i]);
  CHECK(expected[0] != expected[1]);
}

TEST_CASE("the same bits for any number of threads") {
  TestPackage package("sim_rows_threads");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  std::optional<std::vector<float>> first;
  for (int threads : {1, 2, 3, 7}) {
    SimSession sim(model, g, {.threads = threads});
    Batch batch;
    for (std::int32_t i = 0; i < 40; ++i) batch.add(i * 11 % kVocab, i / 2, i % 2), batch.want();
    const auto logits = floats(batch.run(sim));
    if (!first) first = logits;
    CHECK(logits == *first);
  }
}

TEST_CASE("a forked and a restored sequence go on as the original does") {
  TestPackage package("sim_rows_fork");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  SimSession sim(model, g);
  const auto next = [](SimSession& session, std::int32_t token, std::int32_t position) {
    Batch batch;
    batch.add(token, position, 1);
    batch.want();
    return row_of(batch.run(session), 0);
  };
  next(sim, 1, 0);
  next(sim, 2, 1);
  auto fork = sim.fork();
  const auto saved = sim.save();
  const auto with_three = next(sim, 3, 2);
  const auto with_four = next(fork, 4, 2);
  CHECK(with_three != with_four);
  CHECK(next(sim, 4, 2) == with_four);  // position 2 is written again
  CHECK(next(fork, 3, 2) == with_three);
  sim.reset();
  CHECK(next(sim, 3, 2) != with_three);
  sim.restore(saved);
  CHECK(next(sim, 3, 2) == with_three);
}

TEST_CASE("several sessions in threads of their own agree") {
  TestPackage package("sim_rows_sessions");
  fill_small_llama(package);
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    const Model model = package.open(mode);
    const Graph g = models::llama(model);
    std::vector<std::vector<std::int32_t>> tokens(4);
    std::vector<std::thread> users;
    for (auto& own : tokens)
      users.emplace_back([&] {
        SimSession sim(model, g, {.threads = 2});
        std::int32_t token = 5;
        for (std::int32_t i = 0; i < 6; ++i) {
          Batch batch;
          batch.add(token, i, 0);
          batch.want();
          own.push_back(token = greedy(row_of(batch.run(sim), 0)));
        }
      });
    for (auto& user : users) user.join();
    for (const auto& own : tokens) CHECK(own == tokens[0]);
  }
}

TEST_CASE("positions beyond the context, slots and ids that do not exist are clear errors") {
  TestPackage package("sim_rows_errors");
  fill_small_llama(package);
  const Model model = package.open();
  SimSession sim(model, models::llama(model), {.dims = {{"slots", 2}, {"ctx", 8}}});
  const auto error = [&](std::int32_t token, std::int32_t position, std::int32_t slot) {
    Batch batch;
    batch.add(token, position, slot);
    batch.want();
    return error_of([&] { batch.run(sim); });
  };
  CHECK(error(1, 7, 1).empty());
  CHECK_THAT(error(1, 8, 1), Contains("[kv_write]") && Contains("8") && Contains("(l = 0) at llama.h:"));
  CHECK_THAT(error(1, 0, 2), Contains("[kv_write]") && Contains("slot") && Contains("llama.h:"));
  CHECK_THAT(error(50, 0, 0), Contains("[gather]") && Contains("50") && Contains("llama.h:"));
  CHECK(error(1, 7, 1).empty());
  CHECK_THAT(error_of([&] {
               SimSession(model, models::llama(model), {.dims = {{"ctx", 49}}});
             }),
             Contains("[dim] ctx = 49 is outside [1, 48]"));
}
