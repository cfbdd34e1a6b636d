// SPDX-License-Identifier: Apache-2.0
// Runs a plan on a Vulkan device, in this process, by the host code that emitted programs have: weights uploaded once,
// an entry point recorded once, one submission a step.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "codegen/plan/plan.h"
#include "codegen/run/executor.h"
#include "codegen/run/plan_binding.h"
#include "lib/base/device.h"
#include "openinfer/model.h"

namespace openinfer::run {

struct GpuOptions {
  std::string device = "";  // a part of the name that the driver gives it; empty: the first
  bool validate = false;    // with the validation layer, synchronisation too: a message is an error
  bool timings = false;
  std::int64_t memory_limit_bytes = std::numeric_limits<std::int64_t>::max();  // of the device's that may be taken
  int threads = 0;                                  // that lay out weights anew; 0: one for each processor
  Sizes dims = {};                                  // symbols that inputs do not bind; else upper bounds
  std::vector<plan::IndexBound> index_bounds = {};  // inputs to look at before each step
  std::vector<plan::RowBound> row_bounds = {};
};

struct KernelTime {
  std::int64_t dispatches = 0;
  double seconds = 0;
};

class VulkanExecutor final : public Executor {
 public:
  /// `plan` must outlive it. Errors: those of render_glsl; unsupported for a device that lacks what kernels need;
  /// device_error for what the driver and, if validating, its layers say; out_of_memory, before anything is taken;
  /// those of PlanBinding and PlacedWeights.
  VulkanExecutor(const plan::Plan& plan, const std::optional<Model>& model, const Device& device, GpuOptions options);
  ~VulkanExecutor() override;

  Tensors step(const Tensors& inputs) override;
  void prefer(std::string_view entry) override;
  void reset() override;
  std::vector<Tensor> save() override;
  void restore(const std::vector<Tensor>& states) override;
  /// How often commands were recorded: once for each entry point, and again where a step changed an offset or a copy.
  int times_recorded() const;
  /// By kernel, of all steps so far, with GpuOptions::timings.
  std::map<std::string, KernelTime> timings() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace openinfer::run
