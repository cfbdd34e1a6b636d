// SPDX-License-Identifier: Apache-2.0
// 24 sessions of one open package in the hands of several threads, in an order that chance makes: steps, snapshots,
// forks and files that go from session to session, sessions that end and begin anew. Whatever was done to a session
// before, its logits are those of its tokens, bit for bit.
#include <fmt/format.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "lib/base/temporary_folder.h"
#include "tests/run/vulkan_there.h"
#include "tests/sanitizers.h"
#include "tests/sim/small_llama.h"

using namespace sim_test;

namespace {

constexpr std::size_t kThreads = 4, kSequences = 3;
constexpr std::int32_t kLongest = 12;
/// AddressSanitizer takes nearly all of its time to plan each session, which reading by another way does not change.
constexpr std::size_t kReading = UNDER_ASAN ? 6 : 24;

std::int32_t token(std::size_t sequence, std::int32_t position) {
  return (3 + 7 * position + 11 * static_cast<std::int32_t>(sequence)) % static_cast<std::int32_t>(kVocab);
}

Tensor step(SimSession& session, std::size_t sequence, std::int32_t position) {
  Batch batch;
  batch.add(token(sequence, position), position, 0);
  batch.want();
  return batch.run(session);
}

/// What a session's states, a snapshot or a file hold: so many first tokens of a sequence.
struct Held {
  std::size_t sequence = 0;
  std::int32_t length = 0;
};
struct Seat {
  std::mutex mutex;
  std::optional<SimSession> session;
  Held held;
};
struct Kept {
  StateSnapshot states;
  Held held;
};

class Stress {
 public:
  Stress(Model model, Backend backend, std::size_t sessions) : model_(std::move(model)), backend_(backend) {
    SimSession alone = make();
    for (std::size_t s = 0; s < kSequences; ++s) {
      alone.reset();
      for (std::int32_t i = 0; i < kLongest; ++i) wanted_[s].push_back(step(alone, s, i));
    }
    seats_ = std::vector<Seat>(sessions);
  }

  /// The first thing that was wrong, or "".
  std::string run(int turns) {
    std::vector<std::thread> users;
    for (std::size_t u = 0; u < kThreads; ++u) users.emplace_back([this, u, turns] { use(u, turns); });
    for (std::thread& user : users) user.join();
    return wrong_;
  }
  int steps() const { return steps_; }

 private:
  SimSession make() const {
    return SimSession(model_, graph_, backend_, {.threads = 2, .dims = {{"ctx", kLongest}, {"slots", 1}}});
  }

  void use(std::size_t user, int turns) try {
    std::mt19937 random(static_cast<unsigned>(user));
    const std::string file = (folder_.path() / std::to_string(user)).string();
    for (int t = 0; t < turns; ++t) turn(random, file);
  } catch (const std::exception& error) {
    say(error.what());
  }

  void turn(std::mt19937& random, const std::string& file) {
    Seat &seat = seats_[random() % seats_.size()], &other = seats_[random() % seats_.size()];
    const unsigned what = random() % 32;
    std::unique_lock lock(seat.mutex);
    if (!seat.session || what == 0) seat.session.emplace(make()), seat.held = {};
    if (what == 1) {
      std::optional<SimSession> fork(seat.session->fork());
      const Held held = seat.held;
      lock.unlock();  // never two of them: the other may be waiting for this one
      put(other, std::move(fork), held);
    } else if (what == 2) {
      seat.session->save_state(file, fmt::format("{} {}", seat.held.sequence, seat.held.length));
      const Held held = seat.held;
      lock.unlock();
      load(other, file, held);
    } else if (what < 6) {
      const Kept kept = {seat.session->save(), seat.held};
      const std::lock_guard on_board(board_mutex_);
      board_ = kept;
    } else if (what < 9) {
      const std::optional<Kept> kept = on_board();
      if (!kept) return;
      seat.session->restore(kept->states);
      seat.held = kept->held;
    } else {
      advance(seat, random);
    }
  }

  void advance(Seat& seat, std::mt19937& random) {
    if (seat.held.length == kLongest || seat.held.length == 0) {
      seat.session->reset();
      seat.held = {random() % kSequences, 0};
    }
    const Held now = seat.held;
    if (step(*seat.session, now.sequence, now.length) != wanted_[now.sequence][static_cast<std::size_t>(now.length)])
      say(fmt::format("other logits at position {} of sequence {}", now.length, now.sequence));
    ++seat.held.length;
    ++steps_;
  }
  void put(Seat& seat, std::optional<SimSession> session, Held held) {
    const std::lock_guard lock(seat.mutex);
    seat.session.swap(session);
    seat.held = held;
  }
  void load(Seat& seat, const std::string& file, Held held) {
    const std::lock_guard lock(seat.mutex);
    if (!seat.session) seat.session.emplace(make());
    if (seat.session->load_state(file) != fmt::format("{} {}", held.sequence, held.length)) say("another file's note");
    seat.held = held;
  }
  std::optional<Kept> on_board() {
    const std::lock_guard lock(board_mutex_);
    return board_;
  }
  void say(const std::string& what) {
    const std::lock_guard lock(board_mutex_);
    if (wrong_.empty()) wrong_ = what;
  }

  const Model model_;
  const Graph graph_ = models::llama(model_);
  const Backend backend_;
  const TemporaryFolder folder_;
  std::array<std::vector<Tensor>, kSequences> wanted_;
  std::vector<Seat> seats_;
  std::mutex board_mutex_;
  std::optional<Kept> board_;
  std::string wrong_;
  std::atomic<int> steps_ = 0;
};

/// `turns` of each thread.
void stress(Backend backend, Model::ReadMode mode, std::size_t sessions, int turns) {
  CAPTURE(name(backend));
  TestPackage package(fmt::format("run_stress_{}_{}", name(backend), static_cast<int>(mode)));
  fill_small_llama(package);
  Stress all(package.open(mode), backend, sessions);
  CHECK(all.run(turns) == "");
  CHECK(all.steps() > turns * static_cast<int>(kThreads) / 2);
}

}  // namespace

TEST_CASE("24 simulated sessions of one package keep their own states in the hands of four threads", "[threads]") {
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) stress(Backend::sim, mode, 24, 240 / kFewer);
}

TEST_CASE("many compiled sessions of one package keep their own states in the hands of four threads", "[threads]") {
  stress(Backend::cpu, Model::ReadMode::map, UNDER_ASAN ? 8 : 24, 240 / kFewer);
  stress(Backend::cpu, Model::ReadMode::pread, kReading, 240 / kFewer);
}

TEST_CASE("sessions on a Vulkan device keep their own states in the hands of four threads", "[long]") {
  if (!run_test::has_vulkan()) return;
  stress(Backend::vulkan, Model::ReadMode::map, 4, 24 / kFewer);
}
