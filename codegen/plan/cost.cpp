// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/cost.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "codegen/plan/members.h"

namespace openinfer::plan {
namespace {

struct Work {
  double bytes = 0, flops = 0, seconds = 0;
  Work& operator+=(const Work& other) {
    bytes += other.bytes, flops += other.flops, seconds += other.seconds;
    return *this;
  }
};

class Reckoning {
 public:
  Reckoning(const Plan& plan, const Peaks& peaks) : plan_(plan), peaks_(peaks) {}

  EntryCost run(const EntryPoint& entry) {
    out_ = {.name = entry.name, .symbols = entry.symbols};
    number_ = 0;
    const Work all = work(entry.steps);
    out_.bytes = all.bytes, out_.flops = all.flops;
    const auto known = [](const NodeCost& n) { return n.seconds.has_value(); };
    if (std::all_of(out_.nodes.begin(), out_.nodes.end(), known)) out_.seconds = all.seconds;
    return std::move(out_);
  }

 private:
  Work work(const std::vector<Step>& steps) {
    Work sum;
    for (const Step& step : steps) sum += std::visit([&](const auto& s) { return of(s); }, step);
    return sum;
  }
  Work of(const Dispatch& d) {
    const std::optional<double> peak = peak_of(d.origin.factors);
    return node(plan_.kernels[static_cast<std::size_t>(d.kernels.front())].code.name, d.origin, peak);
  }
  std::optional<double> peak_of(Factors factors) const {
    const auto either = [](const std::optional<double>& mine, const std::optional<double>& other) {
      return mine ? mine : other;
    };
    const std::optional<double>& f32 = peaks_.f32_gflop_per_s;
    switch (factors) {
      case Factors::f32: return f32;
      case Factors::int8: return either(peaks_.int8_gop_per_s, f32);
      case Factors::bf16: break;
    }
    if (peaks_.bf16_gflop_per_s || !peaks_.int8_gop_per_s) return either(peaks_.bf16_gflop_per_s, f32);
    return *peaks_.int8_gop_per_s / 2;  // two bytes each
  }
  Work of(const Copy& c) { return node("copy", c.origin, peaks_.f32_gflop_per_s); }
  Work of(const Swap&) { return {}; }
  Work of(const Loop& l) {
    const std::int64_t around = times_;
    times_ *= std::max<std::int64_t>(0, l.to - l.from);
    const Work sum = work(l.body);
    times_ = around;
    return sum;
  }
  Work of(const Branch& b) {
    ++number_;
    const bool around = std::exchange(in_branch_, true);
    const Work then = work(b.then), otherwise = work(b.otherwise);
    in_branch_ = around;
    const auto order = [](const Work& w) { return std::tuple(w.seconds, w.bytes, w.flops); };
    return order(then) < order(otherwise) ? otherwise : then;
  }

  Work node(const std::string& kernel, const Origin& origin, const std::optional<double>& peak) {
    NodeCost node = {number_++, kernel, origin, times_, in_branch_};
    const auto count = static_cast<double>(times_);
    const double moved = peaks_.read_gb_per_s ? origin.bytes / *peaks_.read_gb_per_s : 0;
    const double computed = peak ? origin.flops / *peak : 0;
    if (peaks_.read_gb_per_s && peak) {
      node.seconds = std::max(moved, computed) * count * 1e-9;
      node.limit = moved < computed ? Limit::compute : Limit::memory;
    }
    const Work all = {origin.bytes * count, origin.flops * count, node.seconds.value_or(0)};
    out_.nodes.push_back(std::move(node));
    return all;
  }

  const Plan& plan_;
  const Peaks& peaks_;
  EntryCost out_;
  int number_ = 0;
  std::int64_t times_ = 1;
  bool in_branch_ = false;
};

/// Each tensor's bytes once, and once more for each layout that a program keeps them in.
std::int64_t bytes_of_weights(const Plan& plan, const Model& model) {
  std::set<std::tuple<std::uint32_t, std::uint64_t, kernels::Layout>> counted;
  std::int64_t bytes = 0;
  for (const Buffer& b : plan.buffers) {
    if (b.role != Role::weight) continue;
    for (const std::string& key : member_keys(b)) {
      const TensorInfo t = model.tensor(key);
      if (t.splat || counted.emplace(t.shard, t.offset, b.layout).second)
        bytes += static_cast<std::int64_t>(t.size_bytes);
    }
  }
  return bytes;
}

MemoryCost memory_of(const Plan& plan, const Model& model) {
  MemoryCost memory;
  const MemoryBudget& budget = plan.budget;
  for (const Buffer& b : plan.buffers) {
    if (b.role == Role::constant) memory.constants += b.max_bytes;
    if (b.role == Role::state) memory.states += b.max_bytes;
    if (b.role == Role::input || b.role == Role::output) memory.values += b.max_bytes;
  }
  std::int64_t arena = 0;
  for (const EntryPoint& e : plan.entries) arena = std::max(arena, e.arena_bytes);
  memory.values += arena;
  if (budget.bytes == 0) {
    memory.weights = bytes_of_weights(plan, model);
    return memory;
  }
  // A budget counts constants among the values, and each output as often as there may be one.
  const std::int64_t weights = budget.resident + budget.looked_up + budget.buffers * budget.buffer_bytes;
  return {.weights = weights, .constants = 0, .states = budget.states, .values = budget.values};
}

}  // namespace

std::string_view name(Limit limit) {
  switch (limit) {
    case Limit::unknown: return "unknown";
    case Limit::memory: return "memory";
    case Limit::compute: return "compute";
  }
  return "";
}

Cost cost_of(const Plan& plan, const Model& model, const Peaks& peaks) {
  Cost cost = {.memory = memory_of(plan, model)};
  Reckoning reckoning(plan, peaks);
  for (const EntryPoint& entry : plan.entries) cost.entries.push_back(reckoning.run(entry));
  return cost;
}

}  // namespace openinfer::plan
