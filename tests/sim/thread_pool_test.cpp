// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/thread_pool.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <stdexcept>

#include "openinfer/error.h"

using namespace openinfer;

TEST_CASE("parallel_for covers each index once, for any number of threads") {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (std::int64_t n : {0, 1, 5, 64, 1001})
      for (std::int64_t grain : {0, 1, 16, 5000}) {
        std::vector<int> seen(static_cast<std::size_t>(n));
        pool.parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        CHECK(seen == std::vector<int>(static_cast<std::size_t>(n), 1));
      }
  }
}

TEST_CASE("parallel_for throws what the lowest range throws, and works afterwards") {
  ThreadPool pool(4);
  for (int round = 0; round < 50; ++round) {
    std::string message;
    try {
      pool.parallel_for(100, 1, [](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          if (i == 30 || i == 31 || i == 90) throw std::runtime_error(std::to_string(i));
      });
    } catch (const std::runtime_error& e) {
      message = e.what();
    }
    CHECK(message == "30");
  }
  std::atomic<int> count{0};
  pool.parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) { count += static_cast<int>(end - begin); });
  CHECK(count == 100);
}

TEST_CASE("a loop inside a loop runs in its own thread") {
  ThreadPool pool(3);
  std::atomic<int> count{0};
  pool.parallel_for(8, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      pool.parallel_for(10, 1, [&](std::int64_t b, std::int64_t e) { count += static_cast<int>(e - b); });
  });
  CHECK(count == 80);
}

TEST_CASE("a pool refuses impossible numbers of threads") {
  CHECK_THROWS_AS(ThreadPool(-1), Error);
  CHECK_THROWS_AS(ThreadPool(1025), Error);
  CHECK(ThreadPool(0).threads() >= 1);
}

TEST_CASE("many pools live side by side") {
  std::vector<std::thread> users;
  std::atomic<std::int64_t> total{0};
  for (int u = 0; u < 24; ++u)
    users.emplace_back([&total] {
      ThreadPool pool(2);
      for (int round = 0; round < 20; ++round)
        pool.parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) { total += end - begin; });
    });
  for (auto& user : users) user.join();
  CHECK(total == 24 * 20 * 100);
}
