// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/cpu_executor.h"

#include <algorithm>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer::run {
namespace {

using plan::Buffer;
using plan::Operand;
using plan::Role;
using plan::Size;

/// The symbol that a dimension is, if it is one and nothing else.
const std::string* symbol_of(const Dim& d) {
  const bool plain = d.terms().size() == 1 && d.constant() == 0 && d.terms()[0].factor == 1;
  return plain ? &d.terms()[0].symbol : nullptr;
}

std::int64_t count_of(const std::vector<std::pair<std::int64_t, std::int64_t>>& ranges) {
  std::int64_t count = 1;
  for (const auto& [from, to] : ranges) count *= to - from;
  return count;
}

}  // namespace

CpuExecutor::CpuExecutor(const plan::Plan& plan, const std::optional<Model>& model, const Device& device,
                         CpuOptions options)
    : plan_(plan), model_(model), library_(plan, device), pool_(options.threads), fixed_(std::move(options.dims)) {
  for (const plan::EntryPoint& e : plan.entries)
    for (const plan::Symbol& s : e.symbols) {
      const auto [known, added] = symbols_.emplace(s.name, s.max);
      if (!added) known->second = std::max(known->second, s.max);
    }
  for (const auto& [name, n] : fixed_) {
    const auto known = symbols_.find(name);
    if (known == symbols_.end()) fail(ErrorCode::invalid_argument, "[run] the graph has no dimension '{}'", name);
    if (n < 0 || n > known->second)
      fail(ErrorCode::invalid_argument, "[run] {} = {} is beyond its bound {}", name, n, known->second);
    known->second = n;
  }
  memory_.resize(plan.buffers.size());
  families_.resize(plan.buffers.size());
  own_.resize(plan.buffers.size());
  states_.resize(plan.buffers.size());
  std::int64_t arena = 0;
  for (const plan::EntryPoint& e : plan.entries) arena = std::max(arena, e.arena_bytes);
  arena_.resize(static_cast<std::size_t>(arena));
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& b = plan.buffers[i];
    const auto bytes = [&] {
      return static_cast<std::size_t>(value(Size::count(b.shape)) * info(b.dtype).block_bytes);
    };
    if (b.role == Role::constant) {
      const auto from = plan.constants[static_cast<std::size_t>(b.constant)].second.bytes();
      own_[i].assign(from.begin(), from.end());
    }
    if (b.role == Role::input || b.role == Role::output) own_[i].resize(bytes());
    if (b.role == Role::state) states_[i].resize(bytes());
    if (b.role == Role::scratch) memory_[i] = arena_.data() + b.offset;
    if (!own_[i].empty()) memory_[i] = own_[i].data();
    if (!states_[i].empty()) memory_[i] = states_[i].data();
  }
  find_weights();
}

void CpuExecutor::find_weights() {
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& b = plan_.buffers[i];
    if (b.role != Role::weight) continue;
    if (!model_) fail(ErrorCode::not_found, "[run] the graph needs \"{}\" and there is no package", b.key);
    std::vector<std::int64_t> turn;
    for (const auto& range : b.ranges) turn.push_back(range.first);
    for (std::int64_t n = 0; n < count_of(b.ranges); ++n) {
      std::string key = b.key;
      for (const std::int64_t t : turn) key.replace(key.find("{}"), 2, std::to_string(t));
      families_[i].push_back(model_->bytes(key).data());
      for (std::size_t r = turn.size(); r-- > 0;) {
        if (++turn[r] < b.ranges[r].second) break;
        turn[r] = b.ranges[r].first;
      }
    }
  }
}

std::int64_t CpuExecutor::value(const Size& size) const {
  return size.value([&](std::string_view symbol) {
    const auto known = symbols_.find(symbol);
    OPENINFER_ASSERT(known != symbols_.end());
    return known->second;
  });
}

std::byte* CpuExecutor::place(const Operand& operand) {
  const auto i = static_cast<std::size_t>(operand.buffer);
  const Buffer& b = plan_.buffers[i];
  const auto offset = operand.offset.is_constant() ? operand.offset.constant() : value(operand.offset);
  if (b.role != Role::weight) return memory_[i] + offset * info(b.dtype).block_bytes;
  std::int64_t member = 0;
  for (std::size_t r = 0; r < operand.member.size(); ++r)
    member = member * (b.ranges[r].second - b.ranges[r].first) + value(Size(operand.member[r])) - b.ranges[r].first;
  // Kernels never write to what they have as input: the package stays as it is mapped.
  return const_cast<std::byte*>(families_[i][static_cast<std::size_t>(member)]) + offset * info(b.dtype).block_bytes;
}

const plan::EntryPoint& CpuExecutor::bind(const std::map<std::string, Tensor, std::less<>>& inputs) {
  std::map<std::string, std::int64_t, std::less<>> bound;
  for (const Buffer& b : plan_.buffers) {
    if (b.role != Role::input) continue;
    const auto given = inputs.find(b.key);
    if (given == inputs.end()) fail(ErrorCode::not_found, "[run] no value for input '{}'", b.key);
    const Tensor& t = given->second;
    if (t.dtype() != b.dtype)
      fail(ErrorCode::dtype_mismatch, "[run] input '{}' is {}, not {}", b.key, name(b.dtype), name(t.dtype()));
    bool fits = t.shape().size() == b.shape.size();
    for (std::size_t d = 0; fits && d < b.shape.size(); ++d) {
      const std::string* symbol = symbol_of(b.shape[d]);
      if (symbol)
        fits = bound.emplace(*symbol, t.shape()[d]).first->second == t.shape()[d];
      else if (b.shape[d].is_constant())
        fits = b.shape[d].constant() == t.shape()[d];
    }
    if (!fits)
      fail(ErrorCode::shape_mismatch, "[run] input '{}' has shape {}; the graph takes {}", b.key, to_string(t.shape()),
           to_string(b.shape));
  }
  for (const plan::EntryPoint& e : plan_.entries) {
    const bool fits = std::all_of(e.symbols.begin(), e.symbols.end(), [&](const plan::Symbol& s) {
      const auto now = bound.find(s.name);
      return now == bound.end() || (s.min <= now->second && now->second <= s.max);
    });
    if (!fits) continue;
    for (const plan::Symbol& s : e.symbols)
      if (const auto now = bound.find(s.name); now != bound.end()) symbols_[s.name] = now->second;
    return e;
  }
  std::string sizes;
  for (const auto& [name, n] : bound) sizes += fmt::format("{}{} = {}", sizes.empty() ? "" : ", ", name, n);
  fail(ErrorCode::invalid_argument, "[run] {}: outside the bounds of every entry point", sizes);
}

std::map<std::string, Tensor, std::less<>> CpuExecutor::step(const std::map<std::string, Tensor, std::less<>>& inputs) {
  const plan::EntryPoint& entry = bind(inputs);
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    if (plan_.buffers[i].role != Role::input) continue;
    const auto bytes = inputs.find(plan_.buffers[i].key)->second.bytes();
    if (!bytes.empty()) std::memcpy(own_[i].data(), bytes.data(), bytes.size());
  }
  steps(entry.steps);
  std::map<std::string, Tensor, std::less<>> outputs;
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& b = plan_.buffers[i];
    if (b.role != Role::output) continue;
    Extents shape;
    for (const Dim& d : b.shape) shape.push_back(value(Size(d)));
    Tensor t(b.dtype, std::move(shape), Location{});
    const auto to = t.mutable_bytes();
    if (!to.empty()) std::memcpy(to.data(), own_[i].data(), to.size());
    outputs.emplace(b.key, std::move(t));
  }
  return outputs;
}

void CpuExecutor::reset() {
  for (std::vector<std::byte>& state : states_) std::fill(state.begin(), state.end(), std::byte{0});
}

void CpuExecutor::steps(const std::vector<plan::Step>& list) {
  for (const plan::Step& s : list) std::visit([&](const auto& one) { run(one); }, s);
}

void CpuExecutor::run(const plan::Dispatch& d) {
  const std::size_t variant = d.variant.empty() ? 0 : d.variant[static_cast<std::size_t>(turn_)];
  const KernelFunction function = library_.function(d.kernels[variant]);
  std::vector<void*> buffers;
  for (const Operand& o : d.operands) buffers.push_back(place(o));
  std::vector<std::int32_t> params;
  for (const Size& p : d.params) params.push_back(static_cast<std::int32_t>(value(p)));
  std::int64_t groups = 1;
  for (const plan::GridFactor& f : d.grid) groups *= (value(f.size) + f.divide - 1) / f.divide;
  pool_.parallel_for(groups, 1, [&](std::int64_t first, std::int64_t last) {
    function(buffers.data(), params.data(), static_cast<int>(first), static_cast<int>(last));
  });
}

void CpuExecutor::run(const plan::Copy& c) {
  const auto bytes = value(c.elements) * info(plan_.buffers[static_cast<std::size_t>(c.to.buffer)].dtype).block_bytes;
  if (bytes > 0) std::memmove(place(c.to), place(c.from), static_cast<std::size_t>(bytes));
}

void CpuExecutor::run(const plan::Loop& l) {
  const std::int64_t outer = turn_;
  for (std::int64_t i = l.from; i < l.to; ++i) {
    symbols_.insert_or_assign(l.index, i);
    turn_ = i - l.from;
    steps(l.body);
  }
  turn_ = outer;
}

void CpuExecutor::run(const plan::Branch& b) { steps(*place(b.predicate) != std::byte{0} ? b.then : b.otherwise); }

}  // namespace openinfer::run
