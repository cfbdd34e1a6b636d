// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/state_store.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

// Of one tensor: far above what a machine has, far below what an address can hold.
constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;

void add_shape(std::string& text, DType dtype, const Extents& shape) {
  text += fmt::format("{}{}{}", text.empty() ? "" : ", ", name(dtype), to_string(shape));
}

void check_entry(const StateTypes& own, const StateSnapshot::Entry& entry) {
  if (entry.name != own.name)
    fail(ErrorCode::invalid_argument, "[restore] the snapshot has ${} where the session has ${}", entry.name, own.name);
  if (entry.tensors.empty()) return;
  const auto alike = [](const auto& a, const Tensor& b) { return a.first == b.dtype() && a.second == b.shape(); };
  if (std::equal(own.tensors.begin(), own.tensors.end(), entry.tensors.begin(), entry.tensors.end(), alike)) return;
  std::string theirs, ours;
  for (const Tensor& t : entry.tensors) add_shape(theirs, t.dtype(), t.shape());
  for (const auto& [dtype, shape] : own.tensors) add_shape(ours, dtype, shape);
  fail(ErrorCode::invalid_argument, "[restore] ${} is {} in the snapshot and {} in the session", own.name, theirs,
       ours.empty() ? "has no size before the first step" : ours);
}

}  // namespace

void check_snapshot(std::span<const StateTypes> own, const StateSnapshot& snapshot) {
  if (snapshot.states.size() != own.size())
    fail(ErrorCode::invalid_argument, "[restore] the snapshot has {} states and the session {}", snapshot.states.size(),
         own.size());
  for (std::size_t i = 0; i < own.size(); ++i) check_entry(own[i], snapshot.states[i]);
}

void StateStore::make(std::size_t state, const Extents& extents) {
  const StateDecl& decl = g_.states[state];
  State made;
  try {
    const std::int64_t bytes = openinfer::size_bytes(decl.spec.dtype, element_count(extents));
    if (bytes > kMostBytes)
      fail(ErrorCode::out_of_memory, "needs {} bytes, a tensor of a state may have {}", bytes, kMostBytes);
    const int count = decl.spec.kind == StateSpec::Kind::kv_cache ? 2 : 1;
    for (int i = 0; i < count; ++i) {
      made.pages.emplace_back(static_cast<std::size_t>(bytes));
      made.spans.push_back({decl.spec.dtype, extents, made.pages.back().bytes().data()});
    }
  } catch (const Error& e) {
    fail(e.code(), "[state] ${} {} as {}: {}; smaller dimensions can be set in the session's options", decl.name,
         decl.spec.to_string(), to_string(extents), e.message());
  }
  states_[state] = std::move(made);
}

void StateStore::allocate(Binding& binding) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (!states_[i].pages.empty()) continue;
    const Shape& shape = g_.states[i].spec.shape;
    const auto bound = [&](const Dim& d) { return binding.find(d).has_value(); };
    if (!std::all_of(shape.begin(), shape.end(), bound)) continue;
    make(i, binding.extents(shape));
    binding.fix(shape, "state $" + g_.states[i].name + ", which was made with it");
  }
}

StateSnapshot StateStore::save() const {
  StateSnapshot snapshot;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    StateSnapshot::Entry entry{g_.states[i].name, {}};
    for (std::size_t k = 0; k < states_[i].pages.size(); ++k) {
      Tensor copy(states_[i].spans[k].dtype, states_[i].spans[k].shape, Location{});
      copy_nonzero_pages(states_[i].pages[k].bytes(), copy.mutable_bytes());
      entry.tensors.push_back(std::move(copy));
    }
    snapshot.states.push_back(std::move(entry));
  }
  return snapshot;
}

void StateStore::restore(const StateSnapshot& snapshot) {
  std::vector<StateTypes> own;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    own.push_back({g_.states[i].name});
    for (const TensorSpan& t : states_[i].spans) own.back().tensors.emplace_back(t.dtype, t.shape);
  }
  check_snapshot(own, snapshot);
  reset();
  for (std::size_t i = 0; i < states_.size(); ++i)
    for (std::size_t k = 0; k < snapshot.states[i].tensors.size(); ++k)
      copy_nonzero_pages(snapshot.states[i].tensors[k].bytes(), states_[i].pages[k].bytes());
}

void StateStore::reset() {
  for (State& s : states_)
    for (ZeroPages& pages : s.pages) pages.clear();
}

void StateStore::copy_from(const StateStore& other) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (other.states_[i].pages.empty()) continue;
    if (states_[i].pages.empty()) make(i, other.states_[i].spans[0].shape);
    for (std::size_t k = 0; k < states_[i].pages.size(); ++k)
      copy_nonzero_pages(other.states_[i].pages[k].bytes(), states_[i].pages[k].bytes());
  }
}

std::uint64_t StateStore::size_bytes() const {
  std::uint64_t total = 0;
  for (const State& s : states_)
    for (const ZeroPages& pages : s.pages) total += pages.bytes().size();
  return total;
}

}  // namespace openinfer
