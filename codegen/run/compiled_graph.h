// SPDX-License-Identifier: Apache-2.0
// A graph compiled for this machine and run in this process: passes, plan, kernels, executor in one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "codegen/plan/plan.h"
#include "codegen/run/cpu_executor.h"
#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/sim.h"

namespace openinfer::run {

/// The plan that `run` and `emit` make: a graph over rows (inputs tok i32[N] and rows i32[R]) gets the entry points
/// "decode" (N = R = 1) and "prefill" (their whole ranges), any other graph "step".
/// `at_most`: lower upper bounds of symbols, as a session's sizes.
/// Errors: unsupported, with the user's line, for an operator or a form that no kernel serves.
plan::Plan make_plan(const Graph& graph, const kir::Target& target, std::string name = "model",
                     const std::map<std::string, std::int64_t, std::less<>>& at_most = {});

class CompiledGraph {
 public:
  /// For this CPU. Errors: those of make_plan and CpuExecutor.
  CompiledGraph(const Model& model, const Graph& graph, CpuOptions options);
  /// As SimSession::run_step, all inputs given, all outputs computed. Ids, positions and slots must be in range: a
  /// kernel reads nothing outside of its buffers whatever they are, but gives no error.
  Outputs step(const Inputs& inputs);
  void reset() { executor_.reset(); }
  double compile_s() const { return executor_.library().compile_s(); }

 private:
  std::optional<Model> model_;
  Device device_;
  plan::Plan plan_;
  CpuExecutor executor_;
};

}  // namespace openinfer::run
