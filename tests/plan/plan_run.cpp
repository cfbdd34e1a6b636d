// SPDX-License-Identifier: Apache-2.0
#include "plan_run.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "codegen/kernel_ir/interpret.h"

namespace openinfer::plan {

PlanRun::PlanRun(const Plan& plan) : plan_(plan) {
  for (const Buffer& b : plan.buffers) {
    memory_.emplace_back(static_cast<std::size_t>(b.max_bytes), b.role == Role::state ? std::byte{0} : std::byte{0xff});
    if (b.constant < 0) continue;
    const auto bytes = plan.constants[static_cast<std::size_t>(b.constant)].second.bytes();
    std::copy(bytes.begin(), bytes.end(), memory_.back().begin());
  }
}

std::vector<std::byte>& PlanRun::memory(const std::string& key) {
  const auto at =
      std::find_if(plan_.buffers.begin(), plan_.buffers.end(), [&](const Buffer& b) { return b.key == key; });
  INFO("buffer of " << key);
  REQUIRE(at != plan_.buffers.end());
  return memory_[static_cast<std::size_t>(at - plan_.buffers.begin())];
}

void PlanRun::set(const std::string& key, const Tensor& tensor) {
  std::vector<std::byte>& to = memory(key);
  REQUIRE(tensor.bytes().size() <= to.size());
  std::copy(tensor.bytes().begin(), tensor.bytes().end(), to.begin());
}

void PlanRun::run(const std::map<std::string, std::int64_t>& symbols) {
  symbols_ = {symbols.begin(), symbols.end()};
  steps(plan_.entries.front().steps);
}

void PlanRun::steps(const std::vector<Step>& list) {
  for (const Step& s : list) std::visit([&](const auto& one) { step(one); }, s);
}

std::int64_t PlanRun::value(const Size& size) const {
  return size.value([&](std::string_view symbol) {
    INFO("symbol " << symbol);
    REQUIRE(symbols_.contains(symbol));
    return symbols_.find(symbol)->second;
  });
}

std::span<std::byte> PlanRun::place(const Operand& operand) {
  const auto buffer = static_cast<std::size_t>(operand.buffer);
  REQUIRE(operand.member.empty());
  const auto first = value(operand.offset) * info(plan_.buffers[buffer].dtype).block_bytes;
  return std::span(memory_[buffer]).subspan(static_cast<std::size_t>(first));
}

void PlanRun::step(const Dispatch& d) {
  std::vector<std::span<std::byte>> buffers;
  for (const Operand& o : d.operands) buffers.push_back(place(o));
  std::vector<std::int32_t> params;
  for (const Size& s : d.params) params.push_back(static_cast<std::int32_t>(value(s)));
  std::int64_t groups = 1;
  for (const GridFactor& f : d.grid) groups *= (value(f.size) + f.divide - 1) / f.divide;
  kir::interpret(plan_.kernels[static_cast<std::size_t>(d.kernels.front())].code, buffers, params, groups);
}

void PlanRun::step(const Copy& c) {
  const auto width = info(plan_.buffers[static_cast<std::size_t>(c.from.buffer)].dtype).block_bytes;
  const auto from = place(c.from), to = place(c.to);
  std::copy_n(from.begin(), value(c.elements) * width, to.begin());
}

void PlanRun::step(const Swap& s) {
  std::swap(memory_[static_cast<std::size_t>(s.a)], memory_[static_cast<std::size_t>(s.b)]);
}

void PlanRun::step(const Loop& l) {
  for (std::int64_t i = l.from; i < l.to; ++i) {
    symbols_[l.index] = i;
    steps(l.body);
  }
  symbols_.erase(l.index);
}

void PlanRun::step(const Branch& b) { steps(place(b.predicate)[0] != std::byte{0} ? b.then : b.otherwise); }

}  // namespace openinfer::plan
