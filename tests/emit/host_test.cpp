// SPDX-License-Identifier: Apache-2.0
// Parts of emitted programs that need no kernels, over a model that counts.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>

#include "lib/base/temporary_folder.h"

#define MODEL_NAME host_test
#include "codegen/emit/prelude/host/npy.h"
#include "codegen/emit/prelude/host/sequences.h"
#include "codegen/emit/prelude/host/thread_pool.h"
#undef MODEL_NAME

namespace host_test {

/// Takes four rows a step and remembers their positions; a step with token 13 fails.
class Program {
 public:
  std::vector<Tensor> inputs, outputs;
  std::vector<Entry> entries = {{"step", {{1, 4}, {1, 4}}}};
  std::vector<std::int32_t> positions;
};

Model::Model(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Model::~Model() = default;
Model Model::open(const std::string&, const Options&) {
  auto program = std::make_unique<Program>();
  for (const char* name : {"tok", "pos", "slot"}) program->inputs.push_back({name, "i32", {{0, {{0, 1}}}}});
  program->inputs.push_back({"rows", "i32", {{0, {{1, 1}}}}});
  program->outputs = {{"logits", "f32", {{0, {{1, 1}}}, {3, {}}}}};
  return Model(std::move(program));
}
const Cache& Model::cache() {
  static const Cache cache = {"", "", 8, 2};
  return cache;
}
const std::vector<Tensor>& Model::inputs() const { return program_->inputs; }
const std::vector<Tensor>& Model::outputs() const { return program_->outputs; }
const std::vector<Entry>& Model::entries() const { return program_->entries; }
std::string Model::type(const Tensor& tensor) const { return std::string(tensor.dtype); }
std::int64_t Model::size(std::string_view) const { return 0; }
void Model::run_step(std::string_view, std::span<const Input> inputs, std::span<const Output>) {
  const auto numbers = [&](std::size_t i) {
    const auto* first = static_cast<const std::int32_t*>(inputs[i].data);
    return std::vector<std::int32_t>(first, first + inputs[i].shape[0]);
  };
  for (const std::int32_t token : numbers(0))
    if (token == 13) throw Error("a bad step");
  program_->positions = numbers(1);
}
/// The positions of its last step.
Stats Model::stats() const {
  return {.steps = program_->positions.front(), .weight_bytes = program_->positions.back()};
}

std::size_t element_bytes(std::string_view dtype) { return dtype == "f32" ? 4 : dtype == "bf16" ? 2 : 0; }

}  // namespace host_test

namespace {

using host_test::Error;

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("an emitted program's .npy file appears whole, beside what others have there, or leaves nothing") {
  const openinfer::TemporaryFolder folder;
  const std::string path = (folder.path() / "F.npy").string();
  CHECK_THROWS_WITH(host_test::NpyFile(path, "bf16", {2}), Catch::Contains("NumPy has no bf16"));
  CHECK(files_in(folder.path()) == 0);
  const std::string others = (folder.path() / "others").string();
  std::ofstream(others) << "theirs";
  for (const std::string& name : {path + ".part", path + "." + std::to_string(::getpid()) + "-0.part"})
    std::filesystem::create_symlink("others", name);
  { host_test::NpyFile unfinished(path, "f32", {1}); }
  CHECK(files_in(folder.path()) == 3);
  const float numbers[] = {1, 2};
  host_test::NpyFile file(path, "f32", {2});
  file.write(numbers, sizeof numbers);
  CHECK(!std::filesystem::exists(path));
  file.commit();
  CHECK(files_in(folder.path()) == 4);
  CHECK(std::filesystem::file_size(others) == 6);
  CHECK(host_test::read_npy(path).shape == std::vector<std::int64_t>{2});
}

TEST_CASE("a signal ends an emitted program once its unfinished file has a name, whichever thread the signal met") {
  const openinfer::TemporaryFolder folder;
  const std::string part = (folder.path() / "a.part").string();
  for (const bool of_main : {true, false}) {
    const pid_t child = ::fork();
    if (child == 0) {  // no check of the test's in here
      std::atomic<bool> now = false;
      const auto meet = [] { ::pthread_kill(::pthread_self(), SIGTERM); };
      host_test::catch_signals("");
      std::thread other([&] {  // from before signals are held, as those of a pool are
        while (!now) std::this_thread::yield();
        if (!of_main) meet();
      });
      {
        const host_test::SignalsHeld held;
        const std::ofstream made(part);
        now = true;
        other.join();
        if (of_main) meet();
        host_test::unfinished_file = part.c_str();
      }
      ::_exit(0);
    }
    int ended = 0;
    REQUIRE(::waitpid(child, &ended, 0) == child);
    CHECK((WIFSIGNALED(ended) && WTERMSIG(ended) == SIGTERM));
    CHECK_FALSE(std::filesystem::exists(part));
  }
}

TEST_CASE("an emitted program reads regular files: it waits for no pipe and reads no device") {
  const openinfer::TemporaryFolder folder;
  const std::string pipe = (folder.path() / "pipe").string(), missing = (folder.path() / "missing").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& path : {pipe, folder.path().string(), std::string("/dev/zero"), std::string("/dev/null")})
    CHECK_THROWS_WITH(host_test::read_npy(path), Catch::Equals(path + ": is not a regular file"));
  CHECK_THROWS_WITH(host_test::read_npy(missing), Catch::Equals(missing + ": No such file or directory"));
}

TEST_CASE("an emitted program takes the first of the largest logits, and none of what is no number") {
  using host_test::greedy;
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto of = [](const std::vector<float>& logits) { return greedy(logits); };
  CHECK(of({-2, 3, 3, 1}) == 1);
  CHECK(of({-inf, -inf, -3e38f}) == 2);
  CHECK(of({5}) == 0);
  CHECK_THROWS_WITH(of({1, nan, 2}), Catch::StartsWith("logit 1 of 3 is nan; `openinfer run --find-nonfinite`"));
  CHECK_THROWS_WITH(of({nan}), Catch::StartsWith("logit 0 of 1 is nan"));
  CHECK_THROWS_WITH(of({1, 2, inf}), Catch::StartsWith("logit 2 of 3 is inf"));
  CHECK_THROWS_WITH(of({-inf, -inf}), Catch::StartsWith("all 2 logits are -inf"));
}

TEST_CASE("a step of an emitted program that failed has written no positions") {
  host_test::Model model = host_test::Model::open("");
  host_test::Rows rows(model);
  const std::vector<std::int32_t> good = {1, 2, 3, 4, 5}, bad = {6, 13};
  rows.feed(good);
  CHECK(rows.held() == 5);
  CHECK_THROWS_AS(rows.feed(bad), Error);
  CHECK(rows.held() == 5);
  const std::vector<std::int32_t> later = {1, 1, 1, 1, 13};  // the first four are a step of their own
  CHECK_THROWS_AS(rows.feed(later), Error);
  CHECK(rows.held() == 9);
  rows.rewind(5);
  const std::vector<host_test::Rows::Next> failing = {{13, 0}};
  CHECK_THROWS_AS(rows.feed_each(failing), Error);
  const std::vector<std::int32_t> next = {6, 7};
  rows.feed(next);
  CHECK(model.stats().steps == 5);
  CHECK(model.stats().weight_bytes == 6);
}

TEST_CASE("the threads of an emitted program run each group of a loop once, however many they are") {
  for (const int threads : {1, 2, 3, 7}) {
    host_test::ThreadPool pool(threads);
    for (int round = 0; round < 200; ++round)
      for (const int groups : {0, 1, 2, 5, 64}) {
        std::vector<int> seen(static_cast<std::size_t>(groups));  // not atomic: run() orders what they write
        pool.run(groups, [&](int group) { ++seen[static_cast<std::size_t>(group)]; });
        REQUIRE(seen == std::vector<int>(static_cast<std::size_t>(groups), 1));
      }
  }
}

TEST_CASE("a thread of an emitted program that is held up keeps the others from nothing but what it began") {
  host_test::ThreadPool pool(2);
  for (const int held : {0, 4}) {  // the first group of the caller's share, and of the other thread's
    std::atomic<int> done{0};
    bool others_done = false;
    pool.run(8, [&](int group) {
      if (group == held) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (done < 6 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        others_done = done >= 6;  // all but this one and the next of its share, which it may have taken with this one
      } else {
        ++done;
      }
    });
    CHECK(others_done);
    CHECK(done == 7);
  }
}
