// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/state_store.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

constexpr std::size_t kPage = 4096;
// Of one tensor: far above what a machine has, far below what an address holds. Beyond it callocs answer as they like.
constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;

/// A copy of its own that leaves pages of zeros untouched, so that unused capacity stays unused in it too.
Tensor copy_sparse(const Tensor& from) {
  static constexpr std::array<std::byte, kPage> kZeros{};
  Tensor to(from.dtype(), from.shape());
  const auto source = from.bytes();
  const auto target = to.mutable_bytes();
  for (std::size_t at = 0; at < source.size(); at += kPage) {
    const std::size_t count = std::min(kPage, source.size() - at);
    if (std::memcmp(source.data() + at, kZeros.data(), count) != 0)
      std::memcpy(target.data() + at, source.data() + at, count);
  }
  return to;
}

std::vector<Tensor> copy_sparse(const std::vector<Tensor>& from) {
  std::vector<Tensor> to;
  for (const Tensor& t : from) to.push_back(copy_sparse(t));
  return to;
}

std::vector<Tensor> zeros(const std::vector<Tensor>& like) {
  std::vector<Tensor> tensors;
  for (const Tensor& t : like) tensors.emplace_back(t.dtype(), t.shape());
  return tensors;
}

std::vector<Tensor> make_tensors(const StateDecl& decl, const Extents& extents) {
  const std::size_t count = decl.spec.kind == StateSpec::Kind::kv_cache ? 2 : 1;
  std::vector<Tensor> tensors;
  try {
    const std::int64_t bytes = size_bytes(decl.spec.dtype, element_count(extents));
    if (bytes > kMostBytes)
      fail(ErrorCode::out_of_memory, "needs {} bytes, a tensor of a state may have {}", bytes, kMostBytes);
    for (std::size_t i = 0; i < count; ++i) tensors.emplace_back(decl.spec.dtype, extents);
  } catch (const Error& e) {
    fail(e.code(), "[state] ${} {} as {}: {}; smaller dimensions can be set in the session's options", decl.name,
         decl.spec.to_string(), to_string(extents), e.message());
  }
  return tensors;
}

std::string shape_list(const std::vector<Tensor>& tensors) {
  std::string text;
  for (const Tensor& t : tensors)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", name(t.dtype()), to_string(t.shape()));
  return text.empty() ? "nothing" : text;
}

}  // namespace

void StateStore::set(std::size_t state, std::vector<Tensor> tensors) {
  State& s = states_[state];
  s.tensors = std::move(tensors);
  s.spans.clear();
  for (Tensor& t : s.tensors) s.spans.push_back(t.span());
}

void StateStore::allocate(Binding& binding) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (!states_[i].tensors.empty()) continue;
    const Shape& shape = g_.states[i].spec.shape;
    const auto bound = [&](const Dim& d) { return binding.find(d).has_value(); };
    if (!std::all_of(shape.begin(), shape.end(), bound)) continue;
    set(i, make_tensors(g_.states[i], binding.extents(shape)));
    binding.fix(shape, "state $" + g_.states[i].name + ", which was made with it");
  }
}

StateSnapshot StateStore::save() const {
  StateSnapshot snapshot;
  for (std::size_t i = 0; i < states_.size(); ++i)
    snapshot.states.push_back({g_.states[i].name, copy_sparse(states_[i].tensors)});
  return snapshot;
}

void StateStore::check(std::size_t state, const StateSnapshot::Entry& entry) const {
  const std::string& name = g_.states[state].name;
  if (entry.name != name)
    fail(ErrorCode::invalid_argument, "[restore] the snapshot has ${} where the session has ${}", entry.name, name);
  if (entry.tensors.empty()) return;  // saved before the first step: zeros
  const auto& ours = states_[state].tensors;
  const auto alike = [](const Tensor& a, const Tensor& b) { return a.dtype() == b.dtype() && a.shape() == b.shape(); };
  const bool same = std::equal(ours.begin(), ours.end(), entry.tensors.begin(), entry.tensors.end(), alike);
  if (!same)
    fail(ErrorCode::invalid_argument, "[restore] ${} is {} in the snapshot and {} in the session", name,
         shape_list(entry.tensors), shape_list(ours));
}

void StateStore::restore(const StateSnapshot& snapshot) {
  if (snapshot.states.size() != states_.size())
    fail(ErrorCode::invalid_argument, "[restore] the snapshot has {} states and the session {}", snapshot.states.size(),
         states_.size());
  for (std::size_t i = 0; i < states_.size(); ++i) check(i, snapshot.states[i]);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const auto& saved = snapshot.states[i].tensors;
    set(i, saved.empty() ? zeros(states_[i].tensors) : copy_sparse(saved));
  }
}

void StateStore::reset() {
  for (std::size_t i = 0; i < states_.size(); ++i) set(i, zeros(states_[i].tensors));
}

void StateStore::copy_from(const StateStore& other) {
  for (std::size_t i = 0; i < states_.size(); ++i) set(i, copy_sparse(other.states_[i].tensors));
}

std::uint64_t StateStore::size_bytes() const {
  std::uint64_t total = 0;
  for (const State& s : states_)
    for (const Tensor& t : s.tensors) total += t.bytes().size();
  return total;
}

}  // namespace openinfer
