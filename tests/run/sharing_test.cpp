// SPDX-License-Identifier: Apache-2.0
// Compiled sessions that share an open package: memory, threads, and a file that is cut while they use it.
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "codegen/run/arenas.h"
#include "codegen/run/compiled_graph.h"
#include "tests/sim/layout_model.h"
#include "tests/sim/resident.h"
#include "tests/sim/small_llama.h"

using namespace sim_test;

namespace {

constexpr std::size_t kSessions = 24;
constexpr std::int64_t kWidth8 = 1024, kKept = 256, kMiB = 1 << 20;  // W: 1.06 MiB each
constexpr std::int64_t kState = kKept * kWidth8 * 4;
/// Of each session besides: plan and graph, 73 KiB of the heap for these 3 nodes and 8 turns, a page each for what it
/// is given and gives, the result that is kept, and what the heap rounds up.
constexpr std::int64_t kObjects = 128 << 10;

/// Weights in rows, which kernels of this CPU read in panels, and a state of 1 MiB that every step writes.
void fill_wide(TestPackage& package) {
  for (int l = 0; l < 8; ++l) {
    opnf::TensorSpec spec;
    spec.key = "W." + std::to_string(l);
    spec.dtype = "q8_0";
    spec.shape = {kWidth8, kWidth8};
    spec.transposed = true;
    package.writer().tensor(spec, small_blocks("q8_0", kWidth8 * kWidth8 / 32, static_cast<std::uint32_t>(l)));
  }
}
Graph wide_graph(const Model& model) {
  return graph(model, [&](GraphBuilder& b) {
    auto h = b.state("h", tensor_state(f32, {kKept, kWidth8}));
    auto x = b.input("x", f32, {1, kWidth8});
    x = b.loop("l", 0, 8, x, [&](Index l, Value v) { return tanh(matmul(v, model("W.{}", l))); });
    auto y = state_read(h) + x;
    state_write(h, y);
    b.output("y", x);
  });
}

}  // namespace

TEST_CASE("24 compiled sessions over one mapping cost their states: what is laid out anew is there once") {
  TestPackage package("run_sharing");
  fill_wide(package);
  const Model model = package.open();
  const Graph g = wide_graph(model);
  const Inputs inputs = {{"x", Tensor(std::vector<float>(kWidth8, 0.25f), {1, kWidth8})}};
  std::vector<SimSession> sessions;
  std::vector<Tensor> results;
  const auto add = [&] {
    sessions.emplace_back(model, g, Backend::cpu, SimOptions{.threads = 1});
    results.push_back(sessions.back().run_step(inputs)["y"]);
  };
  add();
  add();  // the first has compiled; what a session leaves in the allocator shows behind the second
  const std::int64_t own = resident("RssAnon"), mapped = resident("RssFile");
  while (sessions.size() < kSessions) add();
  for (const Tensor& y : results) CHECK(y == results[0]);
  if (!kResidentIsKnown) return;
  const std::int64_t more = static_cast<std::int64_t>(kSessions) - 2;
  INFO("own memory grew by " << (resident("RssAnon") - own) / more << " bytes a session, mapped files by "
                             << resident("RssFile") - mapped << " in all");
  // Far from the 8.5 MiB of weights and the 2 MiB of a step's scratch.
  CHECK(resident("RssAnon") - own <= more * (kState + kObjects));
  CHECK(resident("RssFile") - mapped <= kMiB);
}

TEST_CASE("sessions of a package lend scratch memory to each other") {
  TestPackage package("run_sharing_scratch");
  fill_wide(package);
  const Model model = package.open();
  const auto arenas = run::Arenas::of(model);
  CHECK(arenas == run::Arenas::of(model));
  CHECK(run::Arenas::of({}) != run::Arenas::of({}));
  std::byte *small = nullptr, *large = nullptr;
  {
    run::Arenas::Lease a = arenas->lend(1000), b = arenas->lend(5000);
    small = a.data(), large = b.data();
    CHECK(small != large);
    small[999] = large[4999] = std::byte{1};
  }
  {
    run::Arenas::Lease a = arenas->lend(900), b = arenas->lend(900);
    CHECK((a.data() == small && b.data() == large));  // the smallest that suffices
  }
  run::Arenas::Lease a = arenas->lend(1000000);  // in place of the larger one
  a.data()[999999] = std::byte{1};
  run::Arenas::Lease b = arenas->lend(1);
  CHECK(b.data() == small);
}

TEST_CASE("what is laid out anew goes with the last session that needs it") {
  TestPackage package("run_sharing_ends");
  fill_wide(package);
  const Model model = package.open();
  int made = 0;
  const auto make = [&] { return std::make_shared<int>(++made); };
  auto a = model.shared("number", make), b = model.shared("number", make);
  CHECK((a == b && made == 1));
  CHECK(model.shared("another", make) != a);
  a.reset();
  CHECK(model.shared("number", make) == b);
  b.reset();
  CHECK(*std::static_pointer_cast<const int>(model.shared("number", make)) == 3);
}

TEST_CASE("compiled sessions of one model are made and step side by side in threads") {
  TestPackage package("run_sharing_threads");
  fill_small_llama(package);
  const Model model = package.open();
  const Graph g = models::llama(model);
  std::vector<Tensor> logits(4);
  std::vector<std::thread> users;
  for (std::size_t u = 0; u < logits.size(); ++u)
    users.emplace_back([&, u] {
      SimSession session(model, g, Backend::cpu, {.threads = 2, .dims = {{"ctx", 24}}});
      SimSession fork = session.fork();
      for (std::int32_t i = 0; i < 5; ++i) {
        Batch batch;
        batch.add(3 + 7 * i, i, 0);
        batch.want();
        logits[u] = batch.run(session);
        if (batch.run(fork) != logits[u]) logits[u] = Tensor();
      }
    });
  for (auto& user : users) user.join();
  for (const Tensor& l : logits) CHECK((l.count() == kVocab && l == logits[0]));
}

TEST_CASE("a package cut between steps is an error of the next step where it is used in place") {
  TestPackage package("run_sharing_cut");
  package.add("w", {64, 1 << 12}, std::vector<float>(64 << 12, 0.5f));  // 1 MiB, read as it lies
  for (const auto mode : {Model::ReadMode::map, Model::ReadMode::pread}) {
    const Model model = package.open(mode);
    const Graph g = graph(model, [&](GraphBuilder& b) {
      b.output("y", b.input("x", f32, {64, 1 << 12}) * model["w"]);
    });
    SimSession session(model, g, Backend::cpu, {.threads = 1});
    const Inputs inputs = {{"x", Tensor(std::vector<float>(64 << 12, 2.f), {64, 1 << 12})}};
    const Tensor before = session.run_step(inputs)["y"];
    const auto copy = package.path().string() + ".copy";
    std::filesystem::copy_file(package.path(), copy);
    std::filesystem::resize_file(package.path(), 8192);
    if (mode == Model::ReadMode::map)
      CHECK_THROWS_WITH(session.run_step(inputs), Catch::Contains("was cut from") && Catch::Contains("while open"));
    else
      CHECK(session.run_step(inputs)["y"] == before);  // it is in memory
    std::filesystem::rename(copy, package.path());
  }
}
