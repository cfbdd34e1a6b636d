// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

constexpr int kMostThreads = 1024;
// Chunks per thread: enough that a thread that was held up does not hold up the others.
constexpr std::int64_t kChunksPerThread = 4;
// How long a worker looks for the next loop before it sleeps: about the gap between two nodes of a decoding step.
constexpr std::chrono::microseconds kSpin{20};

int processors() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

int checked_threads(int threads) {
  if (threads < 0 || threads > kMostThreads)
    fail(ErrorCode::invalid_argument, "[sim] threads = {}; 0 (all processors) to {} is possible", threads,
         kMostThreads);
  return threads == 0 ? std::min(processors(), kMostThreads) : threads;
}

}  // namespace

ThreadPool::ThreadPool(int threads) : threads_(checked_threads(threads)), spins_(threads_ <= processors()) {}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::start() {
  try {
    while (static_cast<int>(workers_.size()) < threads_ - 1) workers_.emplace_back([this] { work(); });
  } catch (const std::system_error& e) {
    fail(ErrorCode::out_of_memory, "[sim] cannot start thread {} of {}: {}", workers_.size() + 2, threads_, e.what());
  }
}

void ThreadPool::parallel_for(std::int64_t n, std::int64_t grain, const Body& f) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const bool nested = busy_.load(std::memory_order_relaxed);
  if (threads_ == 1 || n <= grain || nested) return f(0, n);

  start();
  busy_.store(true, std::memory_order_relaxed);
  const std::int64_t parts = kChunksPerThread * threads_;
  const Loop loop{&f, n, std::max(grain, n / parts + (n % parts != 0))};
  {
    const std::lock_guard lock(mutex_);
    loop_ = loop;
    next_.store(0, std::memory_order_relaxed);
    error_ = nullptr;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  run_chunks(loop);

  std::unique_lock lock(mutex_);
  loop_.body = nullptr;  // who wakes up now has come too late
  done_.wait(lock, [&] { return working_ == 0; });
  busy_.store(false, std::memory_order_relaxed);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::run_chunks(const Loop& loop) {
  for (;;) {
    const std::int64_t begin = next_.fetch_add(loop.chunk, std::memory_order_relaxed);
    if (begin >= loop.n) return;
    try {
      (*loop.body)(begin, std::min(begin + loop.chunk, loop.n));
    } catch (...) {
      keep_first(begin, std::current_exception());
      // Ranges are handed out in order, so that every lower one is running already and will still be heard.
      next_.store(loop.n, std::memory_order_relaxed);
      return;
    }
  }
}

void ThreadPool::keep_first(std::int64_t begin, std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (error_ && error_begin_ < begin) return;
  error_ = std::move(error);
  error_begin_ = begin;
}

bool ThreadPool::wait_for_loop(std::uint64_t& seen, Loop& loop) {
  const auto changed = [&] { return generation_.load(std::memory_order_acquire) != seen; };
  if (spins_) {
    const auto until = std::chrono::steady_clock::now() + kSpin;
    while (!changed() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  }
  std::unique_lock lock(mutex_);
  wake_.wait(lock, changed);
  seen = generation_.load(std::memory_order_relaxed);
  loop = loop_;
  if (loop.body) ++working_;
  return !stop_;
}

void ThreadPool::work() {
  std::uint64_t seen = 0;
  Loop loop;
  while (wait_for_loop(seen, loop)) {
    if (!loop.body) continue;
    run_chunks(loop);
    const std::lock_guard lock(mutex_);
    if (--working_ == 0) done_.notify_one();
  }
}

}  // namespace openinfer
