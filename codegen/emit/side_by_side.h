// SPDX-License-Identifier: Apache-2.0
// Kernels are compiled side by side: each takes some milliseconds in a compiler that uses one thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <future>
#include <thread>
#include <vector>

namespace openinfer::emit {

/// f(i) for each i < count, on several threads; a thread takes the next i when it is done with one. Rethrows.
template <class F>
void side_by_side(std::size_t count, const F& f) {
  const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
  std::atomic<std::size_t> next = 0;
  std::vector<std::future<void>> shares;
  for (std::size_t t = 0; t < std::min(threads, count); ++t)
    shares.push_back(std::async(std::launch::async, [&] {
      for (std::size_t i = next++; i < count; i = next++) f(i);
    }));
  for (std::future<void>& share : shares) share.wait();
  for (std::future<void>& share : shares) share.get();
}

}  // namespace openinfer::emit
