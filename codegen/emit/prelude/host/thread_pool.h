// A fixed set of threads that share one loop at a time. Thread t begins with the t-th share, so that it finds what it
// touched in the step before in its own cache; then it helps with the others' shares, so that a thread that has no
// processor just then holds up nobody but by what it has begun.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "memory.h"

namespace MODEL_NAME {

class ThreadPool {
 public:
  /// `threads` includes the caller of run(); 0: one for each processor. Throws Error if that
  /// many cannot be started.
  explicit ThreadPool(int threads)
      : threads_(threads > 0 ? threads : processors()), shares_(static_cast<std::size_t>(threads_)) {
    // With a processor for each thread, waiting busily costs nobody anything.
    spins_ = threads_ <= processors() ? 4000 : 0;
    try {
      for (int t = 1; t < threads_; ++t) workers_.emplace_back([this, t] { work(t); });
    } catch (const std::exception&) {  // of the thread, or of the memory for it
      stop();
      fail("cannot start ", threads_, " threads; give fewer with --threads");
    }
  }
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// f(group) for each group in [0, groups). Returns when all of them are done.
  template <class F>
  void run(std::int64_t groups, const F& f) {
    run_shares(groups, &f, [](const void* function, std::int64_t from, std::int64_t to) {
      for (std::int64_t group = from; group < to; ++group) (*static_cast<const F*>(function))(static_cast<int>(group));
    });
  }

 private:
  /// What runs the groups [from, to) of a loop's function.
  using Call = void (*)(const void* function, std::int64_t from, std::int64_t to);
  /// The groups [from, to) that nobody has begun, as from · 2³² + to.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> left{0};
  };
  static std::uint64_t range(std::uint64_t from, std::uint64_t to) { return from << 32 | to; }
  static bool empty(std::uint64_t left) { return left >> 32 == (left & UINT32_MAX); }
  static int processors() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

  void run_shares(std::int64_t groups, const void* function, Call call) {
    if (threads_ == 1 || groups < 2) return call(function, 0, groups);
    // All groups of the loop before are done, so that nobody reads these.
    function_ = function;
    call_ = call;
    undone_.store(groups, std::memory_order_relaxed);
    const auto count = static_cast<std::uint64_t>(groups), threads = static_cast<std::uint64_t>(threads_);
    for (std::uint64_t t = 0; t < threads; ++t)
      shares_[t].left.store(range(count * t / threads, count * (t + 1) / threads), std::memory_order_release);
    wake_workers();
    const std::int64_t mine = take_part(0);
    wait(caller_asleep_, caller_, [&] { return undone_.load() == mine; });
  }

  /// Runs groups until all of them are begun; how many it ran. A share may be of a later loop by now, which is as good:
  /// what was claimed says which, and that loop does not end before it is done.
  std::int64_t take_part(int t) {
    std::int64_t done = 0;
    for (int i = 0; i < threads_; ++i) {
      std::atomic<std::uint64_t>& share = shares_[static_cast<std::size_t>((t + i) % threads_)].left;
      std::uint64_t left = share.load(std::memory_order_relaxed);
      while (!empty(left)) {
        const std::uint64_t from = left >> 32, to = left & UINT32_MAX, middle = from + (to - from + 1) / 2;
        if (!share.compare_exchange_weak(left, range(middle, to), std::memory_order_acquire, std::memory_order_relaxed))
          continue;
        call_(function_, static_cast<std::int64_t>(from), static_cast<std::int64_t>(middle));
        done += static_cast<std::int64_t>(middle - from);
        left = share.load(std::memory_order_relaxed);
      }
    }
    return done;
  }

  void work(int t) {
    const std::atomic<std::uint64_t>& share = shares_[static_cast<std::size_t>(t)].left;
    for (;;) {
      wait(workers_asleep_, workers_wake_, [&] { return !empty(share.load()) || stop_.load(); });
      if (stop_.load()) return;
      if (const std::int64_t done = take_part(t); done != 0) {
        undone_.fetch_sub(done);
        if (caller_asleep_.load() != 0) wake(caller_);
      }
    }
  }

  /// Busily for some time, then asleep: a thread that yielded to others would wait for its turn behind them. Who was
  /// woken too late for a loop is awake for the next one.
  template <class Until>
  void wait(std::atomic<int>& asleep, std::condition_variable& wakes, const Until& until) {
    for (;;) {
      for (int spin = 0; spin < spins_; ++spin) {
        if (until()) return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      }
      std::unique_lock lock(mutex_);
      ++asleep;  // before it looks again: whoever changes what it waits for looks here behind that
      const bool over = until();
      if (!over) wakes.wait(lock);
      --asleep;
      if (over) return;
    }
  }
  void wake(std::condition_variable& sleepers) {
    { const std::lock_guard lock(mutex_); }  // who counted itself as asleep is
    sleepers.notify_all();
  }
  /// Adding nothing orders this behind the stores to shares, or those before the worker's look at them.
  void wake_workers() {
    if (workers_asleep_.fetch_add(0) != 0) wake(workers_wake_);
  }
  void stop() {
    stop_ = true;
    wake_workers();
    for (std::thread& worker : workers_) worker.join();
  }

  const int threads_;
  int spins_ = 0;
  std::vector<Share> shares_;  // of each thread
  const void* function_ = nullptr;
  Call call_ = nullptr;
  std::atomic<bool> stop_{false};
  std::atomic<int> caller_asleep_{0};
  alignas(64) std::atomic<int> workers_asleep_{0};
  alignas(64) std::atomic<std::int64_t> undone_{0};  // groups, without those that the caller did
  std::mutex mutex_;
  std::condition_variable caller_, workers_wake_;
  std::vector<std::thread> workers_;
};

}  // namespace MODEL_NAME
