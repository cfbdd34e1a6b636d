// Weights that pass through a few buffers: while one tile is computed with, the next ones are read. A step asks for its
// tiles in the order of the step before, so that threads can read ahead, across the step's end too; where it asks for
// others, they are read then.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "memory.h"

namespace MODEL_NAME {

/// Where a tensor's bytes are: in one of the stream's files, or, number −1, wherever `read` takes them from.
struct StreamedTensor {
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// An open file, which may be closed or replaced while the stream reads it; the path is for messages.
struct StreamedFile {
  int descriptor = -1;
  std::string path;
};

/// Where a tensor would start whose bytes from `first` on lie at `place`: kernels count from there, and touch what is
/// there alone.
inline std::byte* start_of(std::byte* place, std::uint64_t first) {
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(place) - first);
}

class WeightStream {
 public:
  /// Bytes [first, first + count) of a tensor.
  struct Range {
    std::uint32_t tensor = 0;
    std::uint64_t first = 0, count = 0;
    bool operator==(const Range&) const = default;
  };
  static constexpr std::size_t kMostRanges = 8;
  struct Tile {
    std::array<Range, kMostRanges> ranges = {};
    std::size_t count = 0;
    bool operator==(const Tile&) const = default;
  };
  /// Where the tile's ranges lie.
  using Places = std::array<std::byte*, kMostRanges>;
  /// Bytes of a tensor as kernels read them; called by several threads.
  using Read = std::function<void(std::uint32_t tensor, std::uint64_t first, std::span<std::byte> to)>;

  /// `buffers` of `buffer_bytes`; one thread less than buffers reads. Files are read past the page cache where their
  /// file system can: what is read once a step would only push other things out of it.
  WeightStream(const std::vector<StreamedFile>& files, std::vector<StreamedTensor> tensors, Read read,
               std::int64_t buffer_bytes, int buffers);
  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  /// The next step asks from the start again.
  void begin_step();
  /// These tiles are asked for next.
  void announce(std::span<const Tile> tiles);
  /// The next of the announced tiles, which stays until the next call. Throws what reading it threw.
  const Places& next();

  std::uint64_t bytes_read() const { return bytes_read_; }  // by next()
  bool direct() const;                                      // past the page cache?

 private:
  struct File {
    std::string path;
    int plain = -1, direct = -1;
  };
  struct FreeMemory {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  struct Slot {
    std::unique_ptr<std::byte, FreeMemory> memory = {};
    Tile tile = {};
    Places places = {};
    bool busy = false, ready = false, dropped = false;
    std::exception_ptr error = {};
  };

  void open(const StreamedFile& file);
  void start(int threads);
  void drop_all();
  bool more_to_read() const;
  Slot* free_slot();
  void work();
  void fill(Slot& slot) const;
  void read_pages(const File& file, std::uint64_t first, std::span<std::byte> to, std::uint64_t needed) const;
  void stop();

  std::vector<File> files_;
  std::vector<StreamedTensor> tensors_;
  Read read_;
  std::int64_t buffer_bytes_;
  std::uint64_t bytes_read_ = 0;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable wake_, filled_;
  std::vector<Slot> slots_;
  std::deque<Slot*> queue_;  // what is read or being read, in the order in which it is asked for
  Slot* used_ = nullptr;
  std::vector<Tile> order_;   // of a step
  bool complete_ = false;     // order_ is the whole of a step: behind its end comes its start
  std::size_t position_ = 0;  // of the tile that is asked for next
  std::size_t ahead_ = 0;     // of the tile that is read next
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace MODEL_NAME
