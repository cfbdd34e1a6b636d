// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/plan_binding.h"

#include <algorithm>

#include "lib/base/fail.h"

namespace openinfer::run {
namespace {

using plan::Buffer;
using plan::Role;
using plan::Size;

const Tensor& given_for(const Buffer& b, const Tensors& inputs) {
  const auto given = inputs.find(b.key);
  if (given == inputs.end()) fail(ErrorCode::not_found, "[run] no value for input '{}'", b.key);
  const Tensor& t = given->second;
  if (t.dtype() != b.dtype)
    fail(ErrorCode::dtype_mismatch, "[run] input '{}' is {}, not {}", b.key, name(b.dtype), name(t.dtype()));
  return t;
}

[[noreturn]] void fail_shape(const Buffer& b, const Tensor& t) {
  fail(ErrorCode::shape_mismatch, "[run] input '{}' has shape {}; the graph takes {}", b.key, to_string(t.shape()),
       to_string(b.shape));
}

/// The symbols that an input's shape tells by itself: of dimensions factor · symbol + constant.
void solve(const Buffer& b, const Tensor& t, Sizes& bound) {
  if (t.shape().size() != b.shape.size()) fail_shape(b, t);
  for (std::size_t d = 0; d < b.shape.size(); ++d) {
    if (b.shape[d].terms().size() != 1) continue;
    const Dim::Term& term = b.shape[d].terms()[0];
    const std::int64_t rest = t.shape()[d] - b.shape[d].constant();
    if (rest % term.factor != 0 || rest / term.factor < 0) fail_shape(b, t);
    if (bound.emplace(term.symbol, rest / term.factor).first->second != rest / term.factor) fail_shape(b, t);
  }
}

}  // namespace

PlanBinding::PlanBinding(const plan::Plan& plan, const Sizes& fixed) : plan_(plan) {
  for (const plan::EntryPoint& e : plan.entries)
    for (const plan::Symbol& s : e.symbols) {
      const auto [known, added] = most_.emplace(s.name, s.max);
      if (!added) known->second = std::max(known->second, s.max);
    }
  for (const auto& [name, n] : fixed) {
    const auto known = most_.find(name);
    if (known == most_.end()) fail(ErrorCode::invalid_argument, "[run] the graph has no dimension '{}'", name);
    if (n < 0 || n > known->second)
      fail(ErrorCode::invalid_argument, "[run] {} = {} is beyond its bound {}", name, n, known->second);
    known->second = n;
  }
  symbols_ = most_;
}

std::size_t PlanBinding::bind(const Tensors& inputs) {
  Sizes bound;
  for (const Buffer& b : plan_.buffers)
    if (b.role == Role::input) solve(b, given_for(b, inputs), bound);
  for (const Buffer& b : plan_.buffers)
    for (const Dim& d : b.shape)
      for (const Dim::Term& t : d.terms())
        if (const auto now = bound.find(t.symbol);
            b.role == Role::state && now != bound.end() && now->second != most_.at(t.symbol))
          fail(ErrorCode::invalid_argument,
               "[run] {} = {}: it sizes the state {}, which was made with {}; fix it first", t.symbol, now->second,
               b.key, most_.at(t.symbol));
  check_rows(bound);
  if (const std::optional<std::size_t> entry = entry_of(bound)) {
    symbols_ = most_;
    for (const plan::Symbol& s : plan_.entries[*entry].symbols)
      if (const auto now = bound.find(s.name); now != bound.end()) symbols_[s.name] = now->second;
    for (const Buffer& b : plan_.buffers)
      if (b.role == Role::input && shape(b) != inputs.find(b.key)->second.shape())
        fail_shape(b, inputs.find(b.key)->second);
    check_indices(inputs);
    return *entry;
  }
  std::string sizes;
  for (const auto& [name, n] : bound) sizes += fmt::format("{}{} = {}", sizes.empty() ? "" : ", ", name, n);
  if (plan_.budget.bytes != 0) {
    std::string limits;
    for (const auto& [name, n] : bound)
      limits += fmt::format("{} {} = {}", limits.empty() ? "" : ",", name, most_.at(name));
    fail(ErrorCode::out_of_memory, "[budget] this step has {}, the memory budget is {}; what fits:{}", sizes,
         plan_.budget.bytes, limits);
  }
  std::string taken;
  for (const plan::EntryPoint& e : plan_.entries) {
    taken += fmt::format("{}{} takes", taken.empty() ? "" : ", ", e.name);
    for (const plan::Symbol& s : e.symbols)
      if (bound.contains(s.name)) taken += fmt::format(" {} in [{}, {}]", s.name, s.min, s.max);
  }
  fail(ErrorCode::invalid_argument, "[run] {}: outside the bounds of every entry point: {}", sizes, taken);
}

std::optional<std::size_t> PlanBinding::entry_of(const Sizes& given) const {
  std::optional<std::size_t> first;
  for (std::size_t e = 0; e < plan_.entries.size(); ++e) {
    const std::vector<plan::Symbol>& symbols = plan_.entries[e].symbols;
    const bool fits = std::all_of(symbols.begin(), symbols.end(), [&](const plan::Symbol& s) {
      const auto now = given.find(s.name);
      return now == given.end() || (s.min <= now->second && now->second <= s.max);
    });
    if (fits && plan_.entries[e].name == preferred_) return e;
    if (fits && !first) first = e;
  }
  return first;
}

void PlanBinding::check_rows(const Sizes& given) const {
  const auto now = [&](std::string_view symbol) {
    const auto known = given.find(symbol);
    return known != given.end() ? known->second : most_.at(std::string(symbol));
  };
  for (const plan::RowBound& bound : row_bounds_)
    if (const std::int64_t rows = Size(bound.rows).value(now), slots = Size(bound.slots).value(now); rows > slots)
      fail_at(bound.at, ErrorCode::invalid_argument,
              "[sdpa] row {} has no slot of its own: the cache has {}; give pos and slot", slots, slots);
}

void PlanBinding::check_indices(const Tensors& inputs) const {
  for (const plan::IndexBound& bound : index_bounds_) {
    const auto input = inputs.find(bound.input);
    if (input == inputs.end()) continue;
    const std::int64_t below = value(Size(bound.below));
    const auto look = [&](const auto& indices) {
      for (std::size_t i = 0; i < indices.size(); ++i)
        if (indices[i] < 0 || indices[i] >= below)
          fail(ErrorCode::invalid_argument, "[run] input '{}'[{}] is {}, which is not in [0, {}): {}", bound.input, i,
               indices[i], below, bound.what);
    };
    if (input->second.dtype() == DType::i64)
      look(input->second.data<std::int64_t>());
    else
      look(input->second.data<std::int32_t>());
  }
}

void PlanBinding::prepare(std::size_t entry) {
  symbols_ = most_;
  for (const plan::Symbol& s : plan_.entries[entry].symbols) symbols_[s.name] = std::min(symbols_[s.name], s.max);
}

bool PlanBinding::varies(std::size_t entry) const {
  std::vector<std::string> in_inputs;
  for (const Buffer& b : plan_.buffers)
    if (b.role == Role::input)
      for (const Dim& d : b.shape)
        for (const Dim::Term& t : d.terms()) in_inputs.push_back(t.symbol);
  const std::vector<plan::Symbol>& symbols = plan_.entries[entry].symbols;
  return std::any_of(symbols.begin(), symbols.end(), [&](const plan::Symbol& s) {
    return s.min != s.max && std::find(in_inputs.begin(), in_inputs.end(), s.name) != in_inputs.end();
  });
}

std::int64_t PlanBinding::value(const Size& size) const {
  if (size.is_constant()) return size.constant();
  return size.value([&](std::string_view symbol) {
    const auto known = symbols_.find(symbol);
    OPENINFER_ASSERT(known != symbols_.end());
    return known->second;
  });
}

std::int64_t PlanBinding::bytes(const Buffer& b) const {
  return value(Size::count(b.shape)) * info(b.dtype).block_bytes;
}

Extents PlanBinding::shape(const Buffer& b) const {
  Extents shape;
  for (const Dim& d : b.shape) shape.push_back(value(Size(d)));
  return shape;
}

std::size_t PlanBinding::member(const plan::Operand& operand) const {
  const Buffer& b = plan_.buffers[static_cast<std::size_t>(operand.buffer)];
  std::int64_t member = 0;
  for (std::size_t r = 0; r < operand.member.size(); ++r)
    member = member * (b.ranges[r].second - b.ranges[r].first) + value(Size(operand.member[r])) - b.ranges[r].first;
  return static_cast<std::size_t>(member);
}

std::int64_t PlanBinding::groups(const plan::Dispatch& d) const {
  std::int64_t groups = 1;
  for (const plan::GridFactor& f : d.grid) groups *= (value(f.size) + f.divide - 1) / f.divide;
  return groups;
}

}  // namespace openinfer::run
