// SPDX-License-Identifier: Apache-2.0
// The contents of a session's states. Untouched capacity costs no memory: zeros are the kernel's until written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/graph/ir.h"
#include "lib/sim/binding.h"
#include "lib/sim/zero_pages.h"
#include "openinfer/sim.h"

namespace openinfer {

/// What a session's state is: dtypes and shapes of its tensors; none before its size is known.
struct StateTypes {
  std::string name;
  std::vector<std::pair<DType, Extents>> tensors = {};
};
/// Errors: invalid_argument unless the snapshot has these states in this order, each of these types or without
/// contents.
void check_snapshot(std::span<const StateTypes> own, const StateSnapshot& snapshot);

class StateStore {
 public:
  explicit StateStore(const GraphData& g) : g_(g), states_(g.states.size()) {}

  /// Allocates the states whose symbols are all bound and fixes those symbols for good; the others wait.
  /// Errors: out_of_memory, invalid_argument where a size overflows; both name the state.
  void allocate(Binding& binding);
  /// Keys and values, or the one tensor. In-place writing is right: a step runs its nodes in program order, tokens are
  /// linear, and the verifier refuses a view that is read after a later write.
  std::span<TensorSpan> tensors(int state) { return states_[static_cast<std::size_t>(state)].spans; }

  StateSnapshot save() const;
  /// In place, as reset is: views of a step under way stay valid. A state that was saved before it had a size becomes
  /// zeros. Errors: invalid_argument if names, dtypes or shapes differ.
  void restore(const StateSnapshot& snapshot);
  void reset();
  void copy_from(const StateStore& other);  // of the same graph
  std::uint64_t size_bytes() const;

 private:
  struct State {
    std::vector<ZeroPages> pages;   // empty until its symbols are bound; stays where it is from then on
    std::vector<TensorSpan> spans;  // over pages
  };

  void make(std::size_t state, const Extents& extents);

  const GraphData& g_;
  std::vector<State> states_;
};

}  // namespace openinfer
