// SPDX-License-Identifier: Apache-2.0
// Many sessions on one open package, and one session in many hands.
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>

#include "resident.h"
#include "small_llama.h"

using namespace sim_test;

namespace {

constexpr std::size_t kSessions = 24;
constexpr std::int64_t kWideIn = 1024, kWideOut = 4096, kKept = 64;  // W: 16 MiB; the state: 1 MiB
constexpr std::int64_t kMiB = 1 << 20;

std::vector<std::int32_t> answer(SimSession& sim, std::int32_t token, std::int32_t from, int count) {
  std::vector<std::int32_t> ids;
  for (std::int32_t i = from; i < from + count; ++i) {
    Batch batch;
    batch.add(ids.empty() ? token : ids.back(), i, 0);
    batch.want();
    ids.push_back(greedy(row_of(batch.run(sim), 0)));
  }
  return ids;
}

}  // namespace

TEST_CASE("24 sessions over one mapping cost their states and nothing else") {
  TestPackage package("sim_sharing");
  package.add("W", {kWideIn, kWideOut}, std::vector<float>(kWideIn * kWideOut, 0.5f));
  const Model model = package.open();
  const Graph g = graph(model, [&](GraphBuilder& b) {
    auto h = b.state("h", tensor_state(f32, {kKept, kWideOut}));
    auto y = state_read(h) + matmul(b.input("x", f32, {1, kWideIn}), model["W"]);
    state_write(h, y);
    b.output("y", max(y, Over{}));
  });
  const Inputs inputs = {{"x", Tensor(std::vector<float>(kWideIn, 1.f), {1, kWideIn})}};
  std::vector<SimSession> sessions;
  const auto add = [&] {
    sessions.emplace_back(model, g, SimOptions{.threads = 1});
    CHECK(sessions.back().run_step(inputs)["y"].data<float>()[0] == 0.5f * kWideIn);
  };
  add();
  const std::int64_t own = resident("RssAnon"), mapped = resident("RssFile");
  while (sessions.size() < kSessions) add();
  CHECK(sessions.back().stats().state_bytes == kMiB);
  if (!kResidentIsKnown) return;
  const std::int64_t more = static_cast<std::int64_t>(kSessions) - 1;
  INFO("own memory grew by " << (resident("RssAnon") - own) / kMiB << " MiB, mapped files by "
                             << (resident("RssFile") - mapped) / kMiB);
  // A step's results, which the allocator may keep for the next step, are as large as the state twice.
  CHECK(resident("RssAnon") - own <= more * kMiB + 4 * kMiB);
  CHECK(resident("RssFile") - mapped <= kMiB);
}

TEST_CASE("sessions of one model step side by side in threads, forks and snapshots go from hand to hand") {
  TestPackage package("sim_sharing_threads");
  fill_small_llama(package);
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    const Model model = package.open(mode);
    SimSession parent(model, models::llama(model), {.threads = 2});
    const auto prompt = answer(parent, 5, 0, 4);
    const StateSnapshot saved = parent.save();
    const auto wanted = answer(parent, prompt.back(), 4, 6);
    std::vector<std::vector<std::int32_t>> found(4);
    std::vector<std::thread> users;
    for (std::size_t u = 0; u < found.size(); ++u) {
      SimSession own = parent.fork();
      users.emplace_back([&, u, sim = std::move(own)]() mutable {
        sim.restore(saved);
        found[u] = answer(sim, prompt.back(), 4, 6);
        SimSession again = sim.fork();
        again.restore(saved);
        if (answer(again, prompt.back(), 4, 6) != found[u]) found[u].clear();
      });
    }
    for (auto& user : users) user.join();
    for (const auto& ids : found) CHECK(ids == wanted);
  }
}

TEST_CASE("one session that threads use in turn") {
  TestPackage package("sim_sharing_turns");
  fill_small_llama(package);
  const Model model = package.open();
  SimSession alone(model, models::llama(model), {.threads = 2});
  const auto wanted = answer(alone, 7, 0, 12);
  SimSession shared(model, models::llama(model), {.threads = 2});
  std::mutex turn;
  std::vector<std::int32_t> ids;
  std::vector<std::thread> users;
  for (int u = 0; u < 4; ++u)
    users.emplace_back([&] {
      for (int n = 0; n < 3; ++n) {
        const std::lock_guard lock(turn);
        ids.push_back(answer(shared, ids.empty() ? 7 : ids.back(), static_cast<std::int32_t>(ids.size()), 1).front());
      }
    });
  for (auto& user : users) user.join();
  CHECK(ids == wanted);
}
