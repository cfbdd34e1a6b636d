// SPDX-License-Identifier: Apache-2.0
// What persists between steps.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "lib/base/temporary_folder.h"
#include "pages.h"
#include "test_ops.h"
#include "tests/sanitizers.h"

using namespace sim_test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

/// h ← h + x; y = h before, z = h after.
Graph accumulator() {
  return graph([](GraphBuilder& b) {
    auto n = b.dim("B", 1, 64);
    auto x = b.input("x", f32, {n, 2});
    auto h = b.state("h", tensor_state(f32, {n, 2}));
    auto before = same(peek(h));
    b.output("y", before);
    poke(h, plus(before, x));
    b.output("z", peek(h));
  });
}

std::vector<float> step(SimSession& sim, std::vector<float> x, const char* out = "z") {
  const auto rows = static_cast<std::int64_t>(x.size() / 2);
  return floats(sim.run_step({{"x", Tensor(x, {rows, 2})}})[out]);
}

}  // namespace

TEST_CASE("a state persists, and a value read stays what it was") {
  SimSession sim(accumulator());
  CHECK(step(sim, {1, 2}) == std::vector<float>{1, 2});
  const auto out = sim.run_step({{"x", row({10, 20})}});
  CHECK(floats(out["y"]) == std::vector<float>{1, 2});
  CHECK(floats(out["z"]) == std::vector<float>{11, 22});
  CHECK(sim.stats().state_bytes == 8);
}

TEST_CASE("state writes happen whatever outputs are wanted") {
  SimSession sim(accumulator());
  sim.run_step({{"x", row({1, 2})}}, {"y"});
  CHECK(step(sim, {0, 0}) == std::vector<float>{1, 2});
}

TEST_CASE("a view that a loop carries on stays what it was while the state goes on") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto h = b.state("h", tensor_state(f32, {1}));
    Value seen = b.constant(Tensor({0.f})), sum = seen;
    std::tie(seen, sum) = b.loop("l", 0, 3, carry(seen, sum), [&](Index, Value last, Value) {
      poke(h, plus(last, 1.0));
      auto after = plus(last, 10.0);  // the state is one ahead by now
      return carry(peek(h), after);
    });
    poke(h, plus(seen, 100.0));
    b.output("seen", seen);
    b.output("sum", sum);
  }));
  const auto out = sim.run_step({});
  CHECK(floats(out["sum"]) == std::vector<float>{12});
  CHECK(floats(out["seen"]) == std::vector<float>{3});
}

TEST_CASE("save, restore and reset") {
  SimSession sim(accumulator());
  const auto empty = sim.save();
  step(sim, {1, 2});
  const auto saved = sim.save();
  CHECK(saved.states.at(0).name == "h");
  CHECK(floats(saved.states.at(0).tensors.at(0)) == std::vector<float>{1, 2});
  CHECK(step(sim, {1, 1}) == std::vector<float>{2, 3});
  CHECK(floats(saved.states[0].tensors[0]) == std::vector<float>{1, 2});
  sim.restore(saved);
  CHECK(step(sim, {1, 1}) == std::vector<float>{2, 3});
  sim.restore(empty);
  CHECK(step(sim, {1, 1}) == std::vector<float>{1, 1});
  sim.reset();
  CHECK(step(sim, {5, 5}) == std::vector<float>{5, 5});
}

TEST_CASE("restore refuses what is not this session's") {
  SimSession sim(accumulator());
  step(sim, {1, 2});
  auto other = sim.save();
  other.states[0].name = "g";
  CHECK(message_of([&] { sim.restore(other); }) == "[restore] the snapshot has $g where the session has $h");
  other.states[0].name = "h";
  other.states[0].tensors[0] = Tensor(f32, {3, 2});
  CHECK(message_of([&] { sim.restore(other); }) ==
        "[restore] $h is f32(3, 2) in the snapshot and f32(1, 2) in the session");
  CHECK(message_of([&] { sim.restore({}); }) == "[restore] the snapshot has 0 states and the session 1");
  CHECK(step(sim, {0, 0}) == std::vector<float>{1, 2});
}

TEST_CASE("a fork goes its own way") {
  SimSession sim(accumulator());
  step(sim, {1, 2});
  SimSession fork = sim.fork();
  CHECK(step(fork, {10, 10}) == std::vector<float>{11, 12});
  CHECK(step(sim, {1, 1}) == std::vector<float>{2, 3});
  CHECK(step(fork, {1, 1}) == std::vector<float>{12, 13});
}

TEST_CASE("a state's symbol that inputs bind is fixed by the first step") {
  SimSession sim(accumulator());
  step(sim, {1, 2, 3, 4});
  CHECK_THAT(error_of([&] {
               step(sim, {1, 2});
             }),
             Contains("[input] dimension 0 of 'x' is 1, not B (B = 2 from state $h, which was made with it)"));
  SimSession fixed(accumulator(), {.dims = {{"B", 3}}});
  CHECK(fixed.stats().state_bytes == 24);
  CHECK_THAT(error_of([&] { step(fixed, {1, 2}); }), Contains("B = 3 from the session's options"));
}

TEST_CASE("a fork keeps the sizes that the first step of its origin fixed") {
  SimSession sim(accumulator());
  step(sim, {1, 2, 3, 4});
  SimSession fork = sim.fork();
  for (const std::int64_t other : {1, 3})
    CHECK_THAT(error_of([&] {
                 fork.run_step({{"x", Tensor(f32, {other, 2})}});
               }),
               Contains(fmt::format(
                   "[input] dimension 0 of 'x' is {}, not B (B = 2 from state $h, which was made with it)", other)));
  CHECK(step(fork, {1, 1, 1, 1}) == std::vector<float>{2, 3, 4, 5});
}

TEST_CASE("a state in a loop is one state") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto h = b.state("h", tensor_state(f32, {1}));
    b.loop("l", 0, 4, [&](Index) { poke(h, plus(same(peek(h)), 1.0)); });
    b.output("y", peek(h));
  }));
  CHECK(floats(sim.run_step({})["y"]) == std::vector<float>{4});
  CHECK(floats(sim.run_step({})["y"]) == std::vector<float>{8});
}

TEST_CASE("capacity that nobody touches costs no memory, in forks and snapshots neither") {
  constexpr std::int64_t kMany = std::int64_t{1} << 24;  // 64 MiB of f32
  SimSession sim(graph([](GraphBuilder& b) {
    auto big = b.state("big", tensor_state(f32, {kMany}));
    static_cast<void>(peek(big) % hints{.name = "seen"});
    b.output("y", b.constant(Tensor::scalar(1.f)));
  }));
  const auto pages_of = [](SimSession& session) {
    std::size_t pages = 0;
    session.watch("seen", [&](const Watched& w) {
      pages = present_pages({w.value.data, static_cast<std::size_t>(4 * kMany)});
    });
    session.run_step({});
    session.unwatch("seen");
    return pages;
  };
  constexpr std::size_t kFew = 16;  // of 16384: the allocator's own
  CHECK(sim.stats().state_bytes == 4 * kMany);
  CHECK(pages_of(sim) < kFew);
  auto fork = sim.fork();
  CHECK(pages_of(fork) < kFew);
  const auto saved = sim.save();
  CHECK(pages_of(sim) < kFew);  // nor were they read
#if !UNDER_TSAN                 // whose calloc writes its zeros
  CHECK(present_pages(saved.states.at(0).tensors.at(0).bytes()) < kFew);
#endif
  fork.restore(saved);
  CHECK(pages_of(fork) < kFew);
}

TEST_CASE("a state that does not fit is an error that names it") {
  const auto too_large = [](std::int64_t n, std::int64_t m) {
    return error_of([&] {
      SimSession(graph([&](GraphBuilder& b) {
        auto h = b.state("huge", tensor_state(f32, {n, m}));
        b.output("y", peek(h));
      }));
    });
  };
  CHECK_THAT(too_large(std::int64_t{1} << 30, std::int64_t{1} << 30),
             Contains("[state] $huge tensor(f32, shape=[1073741824, 1073741824])"));
  CHECK_THAT(too_large(std::int64_t{1} << 30, std::int64_t{1} << 30),
             Contains("a tensor of a state may have 1099511627776"));
  CHECK_THAT(too_large(std::int64_t{1} << 40, std::int64_t{1} << 40), Contains("leaves the range of sizes"));
}

TEST_CASE("a state may be larger than the machine's memory") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto huge = b.state("huge", tensor_state(f32, {std::int64_t{1} << 37}));  // 512 GiB
    b.output("y", b.constant(Tensor::scalar(1.f)));
    static_cast<void>(huge);
  }));
  CHECK(sim.stats().state_bytes == std::uint64_t{1} << 39);
  sim.reset();
  sim.run_step({});
}

TEST_CASE("restore and reset in the midst of a step") {
  SimSession sim(accumulator());
  step(sim, {1, 2});
  const auto saved = sim.save();
  sim.begin({{"x", row({10, 20})}});
  REQUIRE(sim.next()->op == "peek");  // a view of the state's memory
  sim.reset();
  CHECK(floats(sim.finish()["z"]) == std::vector<float>{10, 20});
  sim.begin({{"x", row({10, 20})}});
  sim.next();
  sim.restore(saved);
  CHECK(floats(sim.finish()["z"]) == std::vector<float>{11, 22});
}

TEST_CASE("in the midst of a step nothing forks a session, and a watcher does nothing to its states") {
  SimSession sim(accumulator());
  step(sim, {1, 2});
  const auto saved = sim.save();
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "kept.state").string();
  sim.save_state(file);
  std::vector<std::pair<std::string, std::function<void()>>> all;
  all.emplace_back("fork", [&] { sim.fork(); });
  all.emplace_back("save_state", [&] { sim.save_state(file); });
  all.emplace_back("load_state", [&] { sim.load_state(file); });
  sim.begin({{"x", row({10, 20})}});
  for (const auto& [name, act] : all)
    CHECK_THAT(error_of(act),
               StartsWith("[sim] " + name +
                          " in the middle of a step, whose states are half written: call finish first at ") &&
                   Contains("state_test.cpp"));
  while (sim.next()) {
  }
  CHECK(floats(sim.save().states[0].tensors[0]) == std::vector<float>{11, 22});  // between nodes: as they left it
  CHECK_THAT(error_of([&] { sim.fork(); }), Contains("call finish first"));
  CHECK(floats(sim.finish()["z"]) == std::vector<float>{11, 22});
  SimSession fork = sim.fork();
  CHECK(step(fork, {1, 1}) == std::vector<float>{12, 23});

  all.emplace_back("save", [&] { sim.save(); });
  all.emplace_back("restore", [&] { sim.restore(saved); });
  all.emplace_back("reset", [&] { sim.reset(); });
  for (const auto& one : all) {  // a lambda of clang 14 cannot capture a name that is bound
    const std::string& name = one.first;
    sim.watch("z", [&one](const Watched&) { one.second(); });
    CHECK_THAT(
        error_of([&] {
          step(sim, {1, 1});
        }),
        StartsWith("[sim] a watcher cannot " + name + " the session that calls it at ") && Contains("state_test.cpp"));
    sim.unwatch("z");
    sim.restore(saved);  // the watcher's error ended the step
    CHECK(step(sim, {1, 1}) == std::vector<float>{2, 3});
  }
}

TEST_CASE("after an error the states are as the failing node found them") {
  SimSession sim(graph([](GraphBuilder& b) {
    auto x = b.input("x", f32, {1});
    auto h = b.state("h", tensor_state(f32, {1}));
    poke(h, plus(same(peek(h)), x));
    b.output("y", checked(same(peek(h))));
  }));
  CHECK(floats(sim.run_step({{"x", {1.0}}})["y"]) == std::vector<float>{1});
  const auto saved = sim.save();
  CHECK_THAT(error_of([&] { sim.run_step({{"x", {-5.0}}}); }), Contains("is negative"));
  CHECK(floats(sim.save().states[0].tensors[0]) == std::vector<float>{-4});
  sim.restore(saved);
  CHECK(floats(sim.run_step({{"x", {1.0}}})["y"]) == std::vector<float>{2});
}
