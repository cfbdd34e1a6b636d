// Weights that the package has in another layout than kernels read. Each has a place of its own in memory, where it
// comes to lie when steps want it: a thread turns the panels that its workgroup reads right before it reads them. The
// first step lets them pass through a buffer that stays in the cache, so that the first token waits for little more
// than the file; the next one gives the mapped pages back, reads the file again, and leaves them in their places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "memory.h"
#include "panel16.h"
#include "read_ahead.h"
#include "thread_pool.h"

namespace MODEL_NAME {

inline constexpr std::uint64_t kLine = 64;  // bytes of a cache line
inline std::uint64_t in_lines(std::uint64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

/// Where a workgroup finds the weights of its dispatch: what starts in these places, as far as the workgroup reads it.
struct Panels {
  static constexpr std::size_t kMost = 8;
  struct Place {
    const std::byte* at;
    template <class T>
    operator const T*() const {
      return static_cast<const T*>(static_cast<const void*>(at));
    }
  };
  Place operator[](std::size_t weight) const { return {of[weight]}; }

  const std::byte* of[kMost];
};

/// What a dispatch's workgroups read of a weight: number `first` the first `rows` rows, the next one those behind them,
/// `count` of them in all.
struct PanelParts {
  const void* place;
  std::int64_t first, count, rows;
};

class LaidOut {
 public:
  struct Tensor {
    const opnf::DTypeInfo* dtype;
    std::span<const std::byte> from;
    std::uint64_t panel_bytes;  // of sixteen rows
    bool to_panels;             // else from panels to rows
    int file;                   // of which `from` is mapped; -1: of none
    std::uint64_t offset;       // there
    bool on_use;                // else when the program is opened
    bool looked_up;             // rows of it are wanted before it is laid out
    std::byte* place = nullptr;
    bool passed = false, there = false;
  };
  /// Panels of `passing_bytes` at most pass through at once, for each thread.
  LaidOut(std::vector<Tensor> tensors, std::int64_t passing_bytes, const ReadAhead& file, ThreadPool& pool);

  std::span<const Tensor> tensors() const { return tensors_; }
  std::int64_t size_bytes() const { return places_.size_bytes(); }
  bool holds(const std::byte* place) const { return place >= places_.data() && place < places_.data() + size_bytes(); }

  /// call(function, panels, group) for each group in [0, groups): those of the same number modulo `parts` read the
  /// same.
  using Call = void (*)(const void* function, const Panels& panels, int group);
  void run(std::int64_t parts, std::span<const PanelParts> weights, std::int64_t groups, const void* function,
           Call call);
  /// The panel of row `id`, for a table that is not there yet, until forget().
  void look_up(const void* place, std::int64_t id);
  void forget(const void* place);
  /// The mapped pages that all, or these bytes, were read in, those at both ends too: whoever still reads there gets
  /// them again.
  void give_back() const;
  static void give_back(std::span<const std::byte> mapped);

 private:
  /// A weight of a dispatch that is not there yet.
  struct Coming {
    Tensor* tensor = nullptr;
    bool stays = false;
    PanelParts parts = {};
  };

  std::byte* buffer_of(int thread) const;
  Tensor* waiting(const void* place);
  static void settle(const Tensor& tensor);
  void arrive(Tensor& tensor);
  void lay_out(Tensor& tensor);
  void run_share(int thread, std::span<const Coming> coming, Panels panels, std::int64_t groups, const void* function,
                 Call call) const;
  void turn(const Tensor& tensor, const std::byte* from, std::uint64_t size_bytes, std::byte* place) const;
  void stay(const Tensor& tensor, std::uint64_t from, std::uint64_t to, std::byte* copy) const;

  const ReadAhead& file_;
  ThreadPool& pool_;
  std::vector<Tensor> tensors_;  // in the order of their places
  Memory places_, passing_;
  std::size_t waiting_;  // tensors that are not there
};

}  // namespace MODEL_NAME
