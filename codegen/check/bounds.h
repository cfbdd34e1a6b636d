// SPDX-License-Identifier: Apache-2.0
// How far the results of one dispatch may be from the simulator's: the bounds of its nodes, composed over those that it
// fuses. What comes from other dispatches is exact: a check puts the simulator's values in place before they are read.
#pragma once

#include <map>
#include <set>

#include "codegen/check/bounded.h"
#include "codegen/check/values.h"
#include "codegen/plan/plan.h"
#include "lib/sim/thread_pool.h"

namespace openinfer::check {

class Bounds {
 public:
  Bounds(const Values& values, ThreadPool& pool) : g_(values.graph()), values_(values), pool_(pool) {}

  /// Of the entry point at work: which dispatch leaves which value in memory, and what EntryPoint says of its products.
  void set_entry(std::map<ValueId, int> seen, const plan::EntryPoint& point) {
    seen_ = std::move(seen);
    int8_products_ = point.int8_products;
    bf16_products_ = point.bf16_products;
    bf16_scores_ = point.bf16_scores;
  }
  /// The value as its dispatch computes it, not yet rounded by the store.
  Bounded result(ValueId v, int dispatch);
  /// The same of an operand as a node of that dispatch sees it.
  Bounded operand(ValueId v, int dispatch);
  /// Values that the results asked for so far went through and that nobody sees; cleared.
  std::set<ValueId> take_fused() { return std::exchange(fused_, {}); }

 private:
  bool is_computed_in(ValueId v, int dispatch) const;
  Bounded cast_result(const Node& node, int dispatch);
  Bounded elementwise_result(const Node& node, int dispatch);

  const GraphData& g_;
  const Values& values_;
  ThreadPool& pool_;
  std::set<ValueId> int8_products_, bf16_products_, bf16_scores_;
  std::map<ValueId, int> seen_;
  std::set<ValueId> fused_;
};

}  // namespace openinfer::check
