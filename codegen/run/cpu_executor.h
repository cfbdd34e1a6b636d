// SPDX-License-Identifier: Apache-2.0
// Runs a plan on this CPU, in this process: weights in place in the mapped package or laid out anew, an arena for each
// step that runs, one call of the thread pool for each dispatch. Its memory is taken when it is made, and costs nothing
// until something is written to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/plan/plan.h"
#include "codegen/run/arenas.h"
#include "codegen/run/cpu_library.h"
#include "codegen/run/executor.h"
#include "codegen/run/placed_weights.h"
#include "codegen/run/plan_binding.h"
#include "codegen/run/streamed_weights.h"
#include "lib/sim/thread_pool.h"
#include "lib/sim/zero_pages.h"
#include "openinfer/model.h"
#include "openinfer/tensor.h"

namespace openinfer::run {

struct CpuOptions {
  int threads = 0;                                  // 0: all processors
  Sizes dims = {};                                  // symbols that inputs do not bind; else upper bounds
  std::vector<plan::IndexBound> index_bounds = {};  // inputs to look at before each step
  std::vector<plan::RowBound> row_bounds = {};
  CompileNotice on_compile = {};
};

class CpuExecutor final : public Executor {
 public:
  /// `plan` and `model` must outlive it. Errors: those of CpuLibrary; invalid_argument for an unknown or out-of-bounds
  /// symbol; not_found, dtype_mismatch, shape_mismatch where the package is not what the plan was made for.
  CpuExecutor(const plan::Plan& plan, const std::optional<Model>& model, const Device& device, CpuOptions options = {});

  Tensors step(const Tensors& inputs) override;
  void prefer(std::string_view entry) override { binding_.prefer(entry); }
  void reset() override;
  std::uint64_t bytes_read() const override { return bytes_read_; }
  std::int64_t repacked_bytes() const { return weights_ ? weights_->repacked_bytes() : 0; }
  std::vector<Tensor> save() override;
  void restore(const std::vector<Tensor>& states) override;
  const CpuLibrary& library() const { return library_; }

 private:
  std::byte* place(const plan::Operand& operand);
  StreamedWeights::Member member(const plan::Operand& operand) const;
  void count_weights(const plan::Dispatch& d);
  /// Workgroups of a dispatch that streams weights, tile after tile.
  void run_tiles(const plan::Dispatch& d, const std::vector<std::int32_t>& params, std::vector<void*>& buffers,
                 KernelFunction function);
  void steps(const std::vector<plan::Step>& list);
  void run(const plan::Dispatch& d);
  void run(const plan::Copy& c);
  void run(const plan::Swap& s) {
    std::swap(memory_[static_cast<std::size_t>(s.a)], memory_[static_cast<std::size_t>(s.b)]);
  }
  void run(const plan::Loop& l);
  void run(const plan::Branch& b);

  const plan::Plan& plan_;
  CpuLibrary library_;
  ThreadPool pool_;
  std::unique_ptr<PlacedWeights> weights_;     // without a memory budget
  std::unique_ptr<StreamedWeights> streamed_;  // with one
  PlanBinding binding_;
  std::vector<std::byte*> memory_;  // by buffer; of weights null, of scratch in the step's arena
  std::vector<ZeroPages> own_;      // by buffer: inputs, outputs, constants, states
  std::shared_ptr<const Arenas> arenas_;
  std::int64_t turn_ = 0;  // of all loops around, from 0, as Dispatch::variant counts
  std::uint64_t bytes_read_ = 0;
};

}  // namespace openinfer::run
