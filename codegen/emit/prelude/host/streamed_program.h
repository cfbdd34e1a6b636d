// A program that keeps to a memory budget: no page of the package is mapped. Small weights are read when it is opened;
// those that products multiply pass through buffers, tile after tile of a product's columns (weight_stream.h); of
// tables the rows are read that a step looks up. plan.txt says which is which, and what all of it takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cpu_program.h"
#include "weight_stream.h"

namespace MODEL_NAME {

class StreamedProgram : public CpuProgram {
 public:
  StreamedProgram(const Description& description, const std::string& package, const Options& options);

 protected:
  /// A weight of a product whose workgroups share its columns: parts [first, first + count) read `rows` stored rows
  /// each.
  struct Share {
    std::size_t family;
    std::int64_t member, first, count, rows;
  };
  /// Workgroup = tile of the other operand's rows * parts + part.
  struct Parts {
    std::int64_t all, at_once;
    std::span<const Share> weights;
  };
  /// What of the weights is in memory: pointers to where they would start if all of them were.
  struct Tile {
    WeightStream::Places places;
    template <class T>
    const T* at(std::size_t weight) const {
      return static_cast<const T*>(static_cast<const void*>(places[weight]));
    }
  };
  /// f(tile, group) for each of the workgroups, those first whose weights come first.
  template <class F, std::size_t count>
  void stream(std::int64_t parts, std::int64_t at_once, const Share (&weights)[count], std::int64_t groups,
              const F& f) {
    const Parts share = {parts, at_once, weights};
    announce(share);
    for (std::int64_t from = 0; from < parts; from += at_once) {
      const Tile tile = next(from / at_once);
      const std::int64_t now = parts - from < at_once ? parts - from : at_once;
      pool.run(groups / parts * now, [&](int i) { f(tile, static_cast<int>(i / now * parts + from + i % now)); });
    }
  }
  /// Reads the entries of a table that these ids name, into the place where the table would be.
  template <class Id>
  void look_up(std::size_t family, std::int64_t member, std::int64_t entries, const Id* ids, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) read_entry(family, member, entries, ids[i]);
  }
  /// Gives them back.
  void forget(std::size_t family, std::int64_t member);
  void begin_step() { stream_->begin_step(); }

 private:
  /// A tensor as kernels read it.
  struct Source {
    Relaid relaid;  // panels = 0: as the package has it
    std::size_t row;
    std::int64_t size_bytes, row_bytes;
    bool panels;
  };

  std::size_t source(std::size_t family, std::int64_t member) const {
    return sources_of_[family][static_cast<std::size_t>(member)];
  }
  std::size_t add(std::size_t family, std::size_t member);
  void read(std::size_t source, std::uint64_t first, std::span<std::byte> to) const;
  void read_entry(std::size_t family, std::int64_t member, std::int64_t entries, std::int64_t id);
  void announce(const Parts& parts);
  Tile next(std::int64_t tile);

  std::vector<Source> sources_;
  std::map<std::pair<std::size_t, bool>, std::size_t> numbers_;  // of sources, by row and panels
  std::vector<std::vector<std::size_t>> sources_of_;  // by family and member
  std::vector<std::vector<std::size_t>> windows_of_;  // the same: of tables, in memory_
  std::vector<Memory> memory_;                        // what is resident, and windows
  std::vector<WeightStream::Tile> tiles_;             // of the dispatch under way
  std::unique_ptr<WeightStream> stream_;
};

}  // namespace MODEL_NAME
