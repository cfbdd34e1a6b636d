// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads that share one loop at a time. Which thread runs which range is left to chance; what is
// computed is not: ranges are disjoint and results must not depend on how they are cut.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace openinfer {

class ThreadPool {
 public:
  using Body = std::function<void(std::int64_t, std::int64_t)>;

  /// `threads` includes the caller of parallel_for; 0: all processors. The others start at the first loop that is
  /// worth them. Errors: invalid_argument for a negative count or one above 1024.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// f(begin, end) over disjoint ranges of at least `grain` (but the last) that cover [0, n). If ranges throw, the
  /// exception of the lowest one is thrown here: the same that one thread would meet first. A call from inside f runs
  /// in the caller's thread. One thread at a time may call from outside.
  void parallel_for(std::int64_t n, std::int64_t grain, const Body& f);

 private:
  struct Loop {
    const Body* body = nullptr;
    std::int64_t n = 0;
    std::int64_t chunk = 1;
  };

  void start();
  void work();
  void run_chunks(const Loop& loop);
  void keep_first(std::int64_t begin, std::exception_ptr error);
  bool wait_for_loop(std::uint64_t& seen, Loop& loop);

  const int threads_;
  const bool spins_;  // only where every thread has a processor of its own
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::atomic<std::uint64_t> generation_{0};  // of loop_; odd and even mean nothing
  Loop loop_;                                 // guarded by mutex_
  int working_ = 0;                           // workers inside loop_; guarded by mutex_
  bool stop_ = false;                         // guarded by mutex_

  std::atomic<std::int64_t> next_{0};
  std::atomic<bool> busy_{false};
  std::exception_ptr error_;      // guarded by mutex_
  std::int64_t error_begin_ = 0;  // guarded by mutex_
};

}  // namespace openinfer
