// SPDX-License-Identifier: Apache-2.0
// A session's parts: what SimSession forwards to.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/sim/executor.h"
#include "lib/sim/machine.h"
#include "lib/sim/trace.h"
#include "lib/sim/watches.h"
#include "openinfer/sim.h"

namespace openinfer {

struct SimSession::Impl {
 public:
  Impl(std::shared_ptr<const Program> program, SimOptions options);

  void begin(const Inputs& inputs, const std::vector<std::string>& wanted);
  NodeId next(bool each_turn = true);  // kNoNode at the end
  Outputs finish();
  SimSession::NodeRun describe(NodeId node) const;
  std::unique_ptr<Impl> fork() const;
  /// Errors: unsupported in a session that runs compiled.
  void only_simulated(std::string_view what) const;
  /// What takes or changes states: never while a node's values are shown. Errors: invalid_argument.
  void not_of_a_watcher(std::string_view what) const;
  /// The same, nor between begin and finish: half a step is nothing that another session could go on from.
  void between_steps(std::string_view what) const;
  std::map<std::string, std::int64_t> limits() const;
  Outputs run_compiled(const Inputs& inputs, const std::vector<std::string>& wanted);

  std::shared_ptr<const Program> program_;
  SimOptions options_;
  Binding binding_;
  StateStore states_;
  ThreadPool pool_;
  std::unique_ptr<Budget> budget_;  // null: none
  Machine machine_;
  Watches watches_;
  std::unique_ptr<TraceWriter> trace_;
  SimStats stats_;
  std::unique_ptr<SessionExecutor> compiled_;  // runs steps and keeps states instead of machine_ and states_

 private:
  std::vector<std::size_t> find_outputs(const std::vector<std::string>& wanted) const;
  std::shared_ptr<const Schedule> schedule(const std::vector<std::size_t>& outputs, const Watches::Table& watched);
  Machine::Listener listener(std::shared_ptr<const Watches::Table> watched);
  void call_watchers(const Watches::Table& watched, ValueId v, std::string_view op, Location at);
  void ran(NodeId node);
  void check_finite(const Node& node);
  [[noreturn]] void fail_for_memory();
  [[noreturn]] void fail_in(NodeId node, const Error& error, const std::string& loops) const;

  using ScheduleKey = std::pair<std::vector<ValueId>, std::vector<ValueId>>;
  std::map<ScheduleKey, std::shared_ptr<const Schedule>> schedules_;
  std::vector<std::size_t> wanted_;  // outputs of the step under way
  bool stepping_ = false;
  bool inside_ = false;
  NodeId running_ = kNoNode;  // the node whose reference is at work
  TraceWriter::Clock::time_point node_start_;
};

}  // namespace openinfer
