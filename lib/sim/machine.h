// SPDX-License-Identifier: Apache-2.0
// Walks a schedule: a stack of open regions, one node at a time. A loop's body runs once for each turn, a cond's taken
// branch alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/sim/node_run.h"

namespace openinfer {

class Machine {
 public:
  /// What a session hears of a step. Empty functions are not called.
  struct Listener {
    /// A value came into being; `op` is "input" for inputs and "loop" for what a loop hands around.
    std::function<void(ValueId, std::string_view op, Location)> made;
    std::function<void(NodeId)> before;
    std::function<void(NodeId)> after;  // before `made` of its results
  };

  /// `budget` (null: none) and what else is given by reference outlive it.
  Machine(std::shared_ptr<const Program> program, StateStore& states, const Binding& binding, ThreadPool& pool,
          const Budget* budget);

  /// Starts a step over `inputs` (by the graph's order). Errors: not_found for an input that the schedule needs.
  void begin(std::shared_ptr<const Schedule> schedule, std::vector<std::optional<Tensor>> inputs, Listener listener);
  /// Runs up to and with the next operator, or to the end of a loop's turn that runs none (then the loop): it always
  /// comes back soon. kNoNode at the end of the step. `each_turn` = false: turns in which nothing happens, and that
  /// nobody watches, are left out, however many.
  NodeId next(bool each_turn = true);
  /// Ends the step and drops its values.
  void end();

  /// Of the loops around the last node, outermost first.
  const std::vector<std::int64_t>& indices() const { return indices_; }
  /// "l = 3, t = 0": the same with the loops' names; empty outside of loops.
  std::string where() const;
  Cells& cells() { return cells_; }

 private:
  struct Frame {
    const std::vector<Instruction>* code = nullptr;
    std::size_t at = 0;
    const Instruction* owner = nullptr;  // the loop or cond; null for the top region
    RegionId region = kTopRegion;
    std::int64_t to = 0;  // loop: where indices_.back() ends
  };

  void update_extents();
  void run(const Instruction& i);
  void set_constant(const Node& node);
  std::int64_t loop_value(ValueId index) { return *cells_[index].view.as<std::int32_t>(); }
  void enter(const Instruction& i);
  void begin_turn(const Instruction& loop);
  void leave();
  std::int64_t turns_round(const std::vector<Transfer>& transfers) const;
  void leave_out_turns(const Frame& frame);
  void end_loop(const Instruction& loop);
  void end_cond(const Instruction& cond, bool first);
  void move(ValueId from, ValueId to);
  void release(const Instruction& i);
  void made(ValueId v, std::string_view op, Location at) const {
    if (listener_.made) listener_.made(v, op, at);
  }

  std::shared_ptr<const Program> program_;
  const GraphData& g_;
  const Binding& binding_;
  Cells cells_;
  std::shared_ptr<const Schedule> schedule_;
  Listener listener_;
  std::vector<Extents> extents_;  // by value
  std::vector<std::optional<std::int64_t>> extents_binding_;
  std::shared_ptr<const Schedule> extents_schedule_;
  NodeRun node_run_;
  std::vector<Frame> frames_;
  std::vector<std::int64_t> indices_;
  bool turn_begun_ = false;  // since the last next()
};

}  // namespace openinfer
