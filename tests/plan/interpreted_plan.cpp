// SPDX-License-Identifier: Apache-2.0
#include "tests/plan/interpreted_plan.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "codegen/kernel_ir/interpret.h"
#include "formats/opnf/panel16.h"

namespace plan_test {

using namespace openinfer;
using plan::Buffer;
using plan::Operand;
using plan::Role;

InterpretedPlan::InterpretedPlan(const plan::Plan& plan, const Model* model,
                                 std::map<std::string, std::int64_t> symbols)
    : plan_(plan), model_(model), symbols_(symbols.begin(), symbols.end()), own_(plan.buffers.size()) {
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& b = plan.buffers[i];
    at_.push_back(static_cast<int>(i));
    if (b.role == Role::constant) {
      const auto bytes = plan.constants[static_cast<std::size_t>(b.constant)].second.bytes();
      own_[i].assign(bytes.begin(), bytes.end());
    } else if (b.role != Role::scratch && b.role != Role::weight) {
      own_[i].resize(static_cast<std::size_t>(b.max_bytes));
    }
  }
  std::size_t most = 0;
  for (const plan::EntryPoint& e : plan.entries) most = std::max(most, static_cast<std::size_t>(e.arena_bytes));
  arena_.assign(most, std::byte{0xff});
}

std::int64_t InterpretedPlan::value(std::string_view symbol) const {
  const auto known = symbols_.find(symbol);
  if (known == symbols_.end()) throw std::logic_error("no value for " + std::string(symbol));
  return known->second;
}
std::int64_t InterpretedPlan::value(const plan::Size& size) const {
  return size.value([&](std::string_view symbol) { return value(symbol); });
}

std::span<std::byte> InterpretedPlan::weight(const Buffer& b, const Operand& operand) {
  std::string key = b.key;
  for (const Dim& m : operand.member)
    key.replace(key.find("{}"), 2,
                std::to_string(*m.value([&](std::string_view s) { return std::optional(value(s)); })));
  const bool panels = b.layout == kernels::Layout::panel16;
  auto [copy, added] = weights_.try_emplace({key, panels});
  if (!added) return copy->second;
  const auto bytes = model_->bytes(key);
  copy->second.assign(bytes.begin(), bytes.end());
  const TensorInfo t = model_->tensor(key);
  if ((t.layout == "panel16") == panels) return copy->second;
  const opnf::DTypeInfo& dtype = *opnf::find_dtype(static_cast<std::uint8_t>(t.dtype));
  const std::int64_t width = t.shape[t.shape.size() - (t.transposed ? 2 : 1)];
  const auto blocks = static_cast<std::uint64_t>(width) / dtype.block_size, size = 16 * blocks * dtype.block_bytes;
  for (std::size_t at = 0; at < bytes.size(); at += size)
    if (panels)
      opnf::to_panel16(dtype, blocks, bytes.data() + at, copy->second.data() + at);
    else
      opnf::from_panel16(dtype, blocks, bytes.data() + at, 0, 16, copy->second.data() + at);
  return copy->second;
}

std::span<std::byte> InterpretedPlan::memory(const Operand& operand) {
  const Buffer& b = plan_.buffers[static_cast<std::size_t>(operand.buffer)];
  const auto offset =
      static_cast<std::size_t>(value(operand.offset)) * static_cast<std::size_t>(info(b.dtype).block_bytes);
  if (b.role == Role::weight) return weight(b, operand).subspan(offset);
  if (b.role != Role::scratch) return std::span(own_[static_cast<std::size_t>(operand.buffer)]).subspan(offset);
  const Buffer& place = plan_.buffers[static_cast<std::size_t>(at_[static_cast<std::size_t>(operand.buffer)])];
  return std::span(arena_)
      .subspan(static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.max_bytes))
      .subspan(offset);
}

void InterpretedPlan::bind(const plan::EntryPoint& entry, const std::map<std::string, Tensor>& inputs) {
  for (const plan::Symbol& s : entry.symbols)
    if (s.min == s.max) symbols_[s.name] = s.min;
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& b = plan_.buffers[i];
    const auto given = b.role == Role::input ? inputs.find(b.key) : inputs.end();
    if (given == inputs.end()) continue;
    for (std::size_t d = 0; d < b.shape.size(); ++d)
      if (b.shape[d].terms().size() == 1 && b.shape[d].constant() == 0 && b.shape[d].terms()[0].factor == 1)
        symbols_[b.shape[d].terms()[0].symbol] = given->second.shape()[d];
    const auto bytes = given->second.bytes();
    std::copy(bytes.begin(), bytes.end(), own_[i].begin());
  }
}

void InterpretedPlan::set_state(const std::string& key, const Tensor& tensor) {
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    if (plan_.buffers[i].role != Role::state || plan_.buffers[i].key != key) continue;
    if (tensor.bytes().size() > own_[i].size()) throw std::logic_error(key + " is too small");
    std::memcpy(own_[i].data(), tensor.bytes().data(), tensor.bytes().size());
    return;
  }
  throw std::logic_error("no state " + key);
}

std::map<std::string, Tensor> InterpretedPlan::run(const std::string& name,
                                                   const std::map<std::string, Tensor>& inputs) {
  for (const plan::EntryPoint& entry : plan_.entries) {
    if (entry.name != name) continue;
    bind(entry, inputs);
    std::fill(arena_.begin(), arena_.end(), std::byte{0xff});  // nothing may be read before it is written
    steps(entry.steps);
    std::map<std::string, Tensor> outputs;
    for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
      const Buffer& b = plan_.buffers[i];
      if (b.role != Role::output) continue;
      Extents shape;
      for (const Dim& d : b.shape) shape.push_back(value(plan::Size(d)));
      Tensor t(b.dtype, shape);
      std::copy_n(own_[i].begin(), t.bytes().size(), t.mutable_bytes().begin());
      outputs.emplace(b.key, std::move(t));
    }
    return outputs;
  }
  throw std::logic_error("no entry point " + name);
}

void InterpretedPlan::steps(const std::vector<plan::Step>& list) {
  for (const plan::Step& s : list) std::visit([&](const auto& one) { step(one); }, s);
}

void InterpretedPlan::step(const plan::Dispatch& d) {
  const auto variant = d.variant.empty() ? 0 : d.variant[static_cast<std::size_t>(turn_)];
  const kir::Kernel& code = plan_.kernels[static_cast<std::size_t>(d.kernels[variant])].code;
  std::vector<std::span<std::byte>> buffers;
  for (const Operand& o : d.operands) buffers.push_back(memory(o));
  std::vector<std::int32_t> params;
  for (const plan::Size& p : d.params) params.push_back(static_cast<std::int32_t>(value(p)));
  std::int64_t groups = 1;
  for (const plan::GridFactor& f : d.grid) groups *= (value(f.size) + f.divide - 1) / f.divide;
  kir::interpret(code, buffers, params, groups);
  after(d);
}
void InterpretedPlan::step(const plan::Copy& c) {
  const Buffer& b = plan_.buffers[static_cast<std::size_t>(c.to.buffer)];
  const auto bytes = static_cast<std::size_t>(value(c.elements)) * static_cast<std::size_t>(info(b.dtype).block_bytes);
  const auto from = memory(c.from), to = memory(c.to);
  if (bytes > from.size() || bytes > to.size()) throw std::logic_error("a copy outside of its buffers");
  std::memmove(to.data(), from.data(), bytes);
}
void InterpretedPlan::step(const plan::Swap& s) {
  std::swap(at_[static_cast<std::size_t>(s.a)], at_[static_cast<std::size_t>(s.b)]);
}
void InterpretedPlan::step(const plan::Loop& l) {
  const std::int64_t outer = turn_;
  for (std::int64_t i = l.from; i < l.to; ++i) {
    symbols_[l.index] = i;
    turn_ = outer * (l.to - l.from) + i - l.from;
    steps(l.body);
  }
  turn_ = outer;
}
void InterpretedPlan::step(const plan::Branch& b) {
  steps(memory(b.predicate)[0] != std::byte{0} ? b.then : b.otherwise);
}

}  // namespace plan_test
