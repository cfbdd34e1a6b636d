// Reads a mapped package ahead of the steps: the first token then waits for the disk, or for what is computed, and not
// for one after the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

namespace MODEL_NAME {

/// A thread of its own, which sleeps while the disk works; it ends behind the last of these bytes. What the memory has
/// already is left alone. It is advice: where it cannot be had, steps read what they touch themselves.
class ReadAhead {
 public:
  struct Place {
    std::span<const std::byte> bytes;  // mapped
    int file;
    std::uint64_t offset;  // where the file has them
  };
  explicit ReadAhead(const std::vector<Place>& places);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  /// Has the memory had all of it?
  bool done() const { return done_; }

 private:
  bool read(const Place& place) const;  // all of it

  std::atomic<bool> stop_{false}, done_{false};
  std::thread reader_;
};

}  // namespace MODEL_NAME
