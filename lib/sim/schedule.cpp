// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/schedule.h"

#include <algorithm>

#include "lib/base/fail.h"
#include "lib/graph/demand.h"

namespace openinfer {
namespace {

Instruction::Kind kind_of(const Node& node) {
  if (node.op == &weight_op()) return Instruction::Kind::weight;
  if (node.op == &constant_op()) return Instruction::Kind::constant;
  if (node.op == &literal_op()) return Instruction::Kind::literal;
  if (node.op == &loop_op()) return Instruction::Kind::loop;
  if (node.op == &cond_op()) return Instruction::Kind::cond;
  return Instruction::Kind::run;
}

class Scheduler {
 public:
  Scheduler(const GraphData& g, Demand demand) : g_(g), nodes_(std::move(demand.nodes)) {
    schedule_.needed = std::move(demand.values);
    schedule_.escapes.resize(g.values.size());
    kept_.resize(g.values.size());
    schedule_.regions.resize(g.regions.size());
  }

  Schedule run(std::span<const ValueId> outputs) {
    place(kTopRegion);
    for (ValueId v : outputs) keep(v);
    free_dead(kTopRegion);
    return std::move(schedule_);
  }

 private:
  bool wanted(ValueId v) const { return schedule_.needed[v] && g_.values[v].state < 0; }

  void keep(ValueId v) { kept_[v] = schedule_.escapes[v] = true; }

  void place(RegionId r) {
    for (NodeId n : g_.regions[r].nodes) {
      if (!nodes_[n]) continue;
      Instruction instruction{kind_of(g_.nodes[n]), n, {}, {}};
      add_transfers(instruction);
      schedule_.regions[r].push_back(std::move(instruction));
      for (RegionId inner : g_.nodes[n].regions) place(inner);
    }
  }

  void add_transfers(Instruction& instruction) {
    const Node& node = g_.nodes[instruction.node];
    if (node.regions.empty()) return;
    const bool loop = instruction.kind == Instruction::Kind::loop;
    const Region& body = g_.regions[node.regions[0]];
    for (std::size_t i = 0; i < node.results.size(); ++i) {
      Transfer t;
      t.next = body.results[i];
      if (loop)
        t.initial = node.operands[i], t.argument = body.arguments[i + 1];
      else
        t.other = g_.regions[node.regions[1]].results[i];
      if (wanted(node.results[i])) t.result = node.results[i];
      if (!wanted(t.next)) continue;
      if (!loop && t.result == kNoValue) continue;
      if (loop && t.result == kNoValue && !wanted(t.argument)) continue;
      keep(t.next);
      if (loop)
        schedule_.escapes[t.initial] = true;
      else
        keep(t.other);
      instruction.transfers.push_back(t);
    }
  }

  /// Calls use(v) for every value of an outer region that this one needs, and fills `frees` of its own.
  std::vector<ValueId> free_dead(RegionId r) {
    auto& instructions = schedule_.regions[r];
    std::vector<std::pair<ValueId, std::size_t>> last;  // of this region's values: the last instruction that uses it
    std::vector<ValueId> outer;
    const auto use = [&](ValueId v, std::size_t at) {
      if (g_.values[v].region != r) return outer.push_back(v);
      last.emplace_back(v, at);
    };
    for (std::size_t i = 0; i < instructions.size(); ++i)
      for (ValueId v : uses(instructions[i])) use(v, i);
    // The latest use comes first for each value; later duplicates are dropped.
    std::stable_sort(last.begin(), last.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
    for (std::size_t i = 0; i < last.size(); ++i)
      if ((i == 0 || last[i - 1].first != last[i].first) && !kept_[last[i].first])
        instructions[last[i].second].frees.push_back(last[i].first);
    return outer;
  }

  /// Values that the instruction reads or makes: a result that nobody reads dies at once. A region's result that was
  /// made further out counts as read here.
  std::vector<ValueId> uses(const Instruction& instruction) {
    const Node& node = g_.nodes[instruction.node];
    std::vector<ValueId> used;
    const auto add = [&](ValueId v) {
      if (v != kNoValue && wanted(v)) used.push_back(v);
    };
    for (ValueId v : node.results) add(v);
    if (instruction.kind != Instruction::Kind::loop) std::for_each(node.operands.begin(), node.operands.end(), add);
    for (const Transfer& t : instruction.transfers) add(t.initial);
    for (RegionId inner : node.regions)
      for (ValueId v : free_dead(inner)) add(v);
    for (const Transfer& t : instruction.transfers) {
      for (ValueId v : {t.next, t.other})
        if (v != kNoValue && is_outside(v, node)) add(v);
    }
    return used;
  }

  bool is_outside(ValueId v, const Node& node) const {
    const RegionId region = g_.values[v].region;
    return std::find(node.regions.begin(), node.regions.end(), region) == node.regions.end();
  }

  const GraphData& g_;
  std::vector<bool> nodes_;
  std::vector<bool> kept_;  // results of their region: who takes them over frees them
  Schedule schedule_;
};

}  // namespace

Schedule make_schedule(const GraphData& g, std::span<const ValueId> outputs, std::span<const ValueId> seen) {
  std::vector<ValueId> roots(outputs.begin(), outputs.end());
  roots.insert(roots.end(), seen.begin(), seen.end());
  for (ValueId v : g.top().results)
    if (v != kNoValue && g.values[v].state >= 0) roots.push_back(v);
  return Scheduler(g, find_demand(g, roots)).run(outputs);
}

}  // namespace openinfer
