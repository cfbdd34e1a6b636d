// A fixed set of threads that share one loop at a time. Thread t always takes the t-th share, so that it finds what it
// touched in the step before in its own cache.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "memory.h"

namespace MODEL_NAME {

class ThreadPool {
 public:
  /// `threads` includes the caller of run(); 0: one for each processor. Throws Error if that
  /// many cannot be started.
  explicit ThreadPool(int threads) {
    const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    threads_ = threads > 0 ? threads : processors;
    // With a processor for each thread, waiting busily costs nobody anything.
    spins_ = threads_ <= processors ? 4000 : 0;
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

  void run_shares(std::int64_t groups, const void* function, Call call) {
    if (threads_ == 1 || groups < 2) return call(function, 0, groups);
    function_ = function;
    call_ = call;
    groups_ = groups;
    busy_.store(threads_ - 1, std::memory_order_relaxed);
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
    share(0);
    for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; ++spin) wait(spin);
  }
  void stop() {
    stop_ = true;
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  void share(int t) const { call_(function_, groups_ * t / threads_, groups_ * (t + 1) / threads_); }
  void wait(int spin) const {
    if (spin >= spins_) return std::this_thread::yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  void work(int t) {
    for (std::uint32_t done = 0;; ++done) {
      for (int spin = 0; turn_.load(std::memory_order_acquire) == done; ++spin) {
        if (spin < spins_ + 100)
          wait(spin);
        else
          turn_.wait(done, std::memory_order_acquire);  // asleep until the next loop
      }
      if (stop_) return;
      share(t);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  int threads_ = 1, spins_ = 0;
  const void* function_ = nullptr;
  Call call_ = nullptr;
  std::int64_t groups_ = 0;
  bool stop_ = false;
  alignas(64) std::atomic<std::uint32_t> turn_{0};  // loops begun
  alignas(64) std::atomic<int> busy_{0};            // threads that have not finished their share
  std::vector<std::thread> workers_;
};

}  // namespace MODEL_NAME
