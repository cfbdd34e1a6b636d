// Reads a mapped package ahead of the steps: the first token then waits for the disk, or for what is computed, and not
// for one after the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace MODEL_NAME {

/// A thread of its own, which sleeps while the disk works; it ends behind the last of these bytes. What the memory has
/// already is left alone. It is advice: where it cannot be had, steps read what they touch themselves.
class ReadAhead {
 public:
  explicit ReadAhead(std::vector<std::span<const std::byte>> places);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

 private:
  void read(std::span<const std::byte> place) const;

  std::atomic<bool> stop_{false};
  std::thread reader_;
};

}  // namespace MODEL_NAME
