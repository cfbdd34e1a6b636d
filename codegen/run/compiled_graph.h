// SPDX-License-Identifier: Apache-2.0
// A graph compiled for this machine and run in this process: passes, plan, kernels, executor in one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/devices/found_gpu.h"
#include "codegen/plan/plan.h"
#include "codegen/run/cpu_library.h"
#include "codegen/run/executor.h"
#include "codegen/run/plan_binding.h"
#include "lib/base/device.h"
#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/sim.h"

namespace openinfer::run {

/// The plan of a session: entry points as emitted programs have (plan/entry_points.h), "prefill" over the graph's whole
/// ranges.
/// `at_most`: lower upper bounds of symbols, as a session's sizes.
/// `numerics`: fast rounds what products of blocks read to 8 bits where the target has integer dot products, bf16 both
/// operands of products of several rows where the target multiplies those faster.
/// Errors: unsupported, with the user's line, for an operator or a form that no kernel serves.
/// `memory_budget`: bytes that it keeps to (plan/budget.h), 0: none; a graph over a package.
plan::Plan make_plan(const Graph& graph, const kir::Target& target, std::string name = "model",
                     const std::map<std::string, std::int64_t, std::less<>>& at_most = {},
                     Numerics numerics = Numerics::strict, std::int64_t memory_budget = 0);

/// How a graph runs in this process.
struct RunOptions {
  int threads = 0;        // of a CPU; 0: all processors
  std::string gpu = "";   // a part of the name that the driver gives it; empty: the first
  bool validate = false;  // of Vulkan: with the validation layer
  Sizes dims = {};        // symbols that inputs do not bind; else upper bounds
  Numerics numerics = Numerics::strict;
  std::int64_t memory_budget = 0;  // bytes, of a CPU; 0: none
  CompileNotice on_compile = {};   // of a CPU
};

class CompiledGraph {
 public:
  /// For this CPU or this machine's GPU. Errors: unsupported for Backend::sim and cuda; those of make_plan and of the
  /// executor.
  CompiledGraph(const Model& model, const Graph& graph, Backend backend, RunOptions options);
  /// As SimSession::run_step, all inputs given, all outputs computed. Ids, positions and slots that are inputs are
  /// checked; those that the graph computes are not: a kernel takes the nearest place that there is.
  Outputs step(const Inputs& inputs);
  void prefer(std::string_view entry) { executor_->prefer(entry); }
  void reset() { executor_->reset(); }
  std::uint64_t bytes_read() const { return executor_->bytes_read(); }
  std::vector<Tensor> save() { return executor_->save(); }
  void restore(const std::vector<Tensor>& states) { executor_->restore(states); }
  /// The most that a step's symbol may be.
  std::int64_t limit(std::string_view symbol) const;
  const plan::Plan& plan() const { return plan_; }
  /// That the plan is made for: "this-cpu", or a GPU's row of the database.
  const Device& device() const { return device_; }
  /// Seconds in the C++ compiler; 0: nothing was to be compiled.
  double compile_s() const { return compile_s_; }

 private:
  CompiledGraph(const Model& model, const Graph& graph, Backend backend, RunOptions options, const FoundGpu& found);

  std::optional<Model> model_;
  Device device_;
  plan::Plan plan_;
  std::unique_ptr<Executor> executor_;
  double compile_s_ = 0;
};

}  // namespace openinfer::run
