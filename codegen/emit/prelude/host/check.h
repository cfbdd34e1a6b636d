// Replays the steps that were recorded in the simulator, and holds every value that a kernel writes to the simulator's.
// Knows nothing of where values are: a program hands over host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"
#include "reader.h"

namespace MODEL_NAME {

/// Where the project has what was recorded.
extern const char* const kCheckData;

class Check {
 public:
  /// Errors, of all: Error, for data that cannot be read, are hurt, belong to another emission, or do not fit this
  /// program: whoever wrote them, nothing outside of them is read.
  explicit Check(const std::string& data);

  /// Sizes that the steps were recorded with: what to open the model with.
  std::map<std::string, std::int64_t> sizes() const;
  /// Runs all recorded steps on a model that was opened with sizes() and this check.
  void replay(Model& model);
  /// `values`: what the device has for node number `tap` of this step. They are compared with the simulator's element
  /// for element, and then are the simulator's: no error reaches the next node.
  void compare(int tap, std::span<std::byte> values);
  /// A line for each node on standard output. Errors: Error that names the first node which was out of bounds.
  void report() const;

 private:
  struct Node {
    std::string_view name, place, entry;  // "q = rope", "llama.h:54", "decode"
    std::vector<std::string_view> kernels;
    double largest = 0, bound = 0, ratio = -1;  // of the element that comes closest to its bound
    std::int64_t compared = 0, unbounded = 0;
  };
  struct Place {
    int tap = -1;
    std::size_t step = 0, turn = 0;
    std::size_t kernel = 0;  // of Node::kernels
    std::int64_t element = 0;
  };
  /// What the data have for a node's turn: its elements, one behind the other.
  struct Recorded {
    std::string_view dtype;
    std::span<const std::byte> values;
    std::span<const std::uint16_t> bounds;  // bf16; none: the same bits
    std::span<const std::int32_t> starts;   // of runs within the node's memory; none: all of it
    std::span<const std::int32_t> blocks;   // that the node's memory has instead: 32 elements in 8 bits each
  };
  Recorded recorded(int tap, std::size_t turn) const;
  std::size_t kernel(const Place& place) const;
  void check_data(const std::string& path) const;
  void read_nodes();
  void hold(Node& node, const Recorded& wanted, std::span<const std::byte> found, const Place& place);
  [[noreturn]] void other_size(const Node& node, std::size_t bytes) const;
  void run_step(Model& model, std::string_view entry);

  opnf::Reader data_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> turns_;  // by node: how often this step was there
  std::size_t step_ = 0;
  Place first_;  // out of bounds
  double first_error_ = 0, first_bound_ = 0;
};

/// What the steps call behind a kernel: nothing happens unless the model was opened for a check.
class Tap {
 public:
  explicit Tap(Check* check) : check_(check) {}
  template <class T>
  void operator()(int tap, T* values, std::int64_t count) const {
    if (check_) check_->compare(tap, std::as_writable_bytes(std::span(values, static_cast<std::size_t>(count))));
  }

 private:
  Check* check_;
};

}  // namespace MODEL_NAME
