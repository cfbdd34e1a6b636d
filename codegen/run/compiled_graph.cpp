// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/compiled_graph.h"

#include <algorithm>
#include <utility>

#include "codegen/devices/this_cpu.h"
#include "codegen/emit/target.h"
#include "codegen/plan/budget.h"
#include "codegen/plan/entry_points.h"
#include "codegen/plan/lower.h"
#include "codegen/run/cpu_executor.h"
#include "codegen/run/vulkan_executor.h"
#include "codegen/run/vulkan_kernel.h"
#include "lib/base/fail.h"
#include "lib/base/number.h"
#include "lib/graph/ir.h"
#include "lib/passes/pipeline.h"

namespace openinfer::run {
namespace {

/// A tensor of the input's dtype from what the user gave.
Tensor tensor_of(const plan::Buffer& b, const InputValue& value) {
  if (value.tensor()) return *value.tensor();
  const std::int64_t count =
      static_cast<std::int64_t>(value.integers().empty() ? value.numbers().size() : value.integers().size());
  Tensor t(b.dtype, value.scalar() ? Extents{} : Extents{count}, Location{});
  std::byte* to = t.mutable_bytes().data();
  for (std::int64_t i = 0; i < count; ++i, to += info(b.dtype).block_bytes) {
    const Number number = value.integers().empty() ? Number(value.numbers()[static_cast<std::size_t>(i)])
                                                   : Number(value.integers()[static_cast<std::size_t>(i)]);
    if (!store_number(number, b.dtype, to))
      fail(ErrorCode::dtype_mismatch, "[run] input '{}': {} is no {}", b.key, to_string(number), name(b.dtype));
  }
  return t;
}

FoundGpu device_of(Backend backend, const RunOptions& options) {
  if (backend == Backend::cpu) return {this_cpu().device};
  if (backend == Backend::vulkan) return VulkanDevice({.device = options.gpu}).found();
  fail(ErrorCode::unsupported, "[run] nothing runs by the backend {} in this process{}; cpu and vulkan are there",
       name(backend),
       backend == Backend::cuda ? ": there is no CUDA host in this version (`emit` writes kernels)" : "");
}

}  // namespace

plan::Plan make_plan(const Graph& graph, const kir::Target& target, std::string name,
                     const std::map<std::string, std::int64_t, std::less<>>& at_most, Numerics numerics,
                     std::int64_t memory_budget) {
  return plan::lower_within(openinfer::run_passes(graph, compilation_passes()).graph,
                            {.name = std::move(name),
                             .target = target,
                             .numerics = numerics,
                             .entries = plan::entry_points(graph, {.prefill_rows = {}, .at_most = at_most}, "run")},
                            memory_budget);
}

CompiledGraph::CompiledGraph(const Model& model, const Graph& graph, Backend backend, RunOptions options)
    : CompiledGraph(model, graph, backend, options, device_of(backend, options)) {}

CompiledGraph::CompiledGraph(const Model& model, const Graph& graph, Backend backend, RunOptions options,
                             const FoundGpu& found)
    : model_(model),
      device_(found.device),
      plan_(make_plan(plan::over(graph, model), emit::target_of(device_, options.numerics), "model", options.dims,
                      options.numerics, options.memory_budget)) {
  plan_.notes = emit::built_for(device_, options.numerics).notes;
  plan_.notes.insert(plan_.notes.end(), found.notes.begin(), found.notes.end());
  if (options.memory_budget != 0 && backend != Backend::cpu)
    fail(ErrorCode::unsupported, "[run] backend {} takes no memory budget; sim and cpu do", name(backend));
  plan::GraphFacts facts = plan::graph_facts(graph);
  if (backend == Backend::vulkan) {
    executor_ = std::make_unique<VulkanExecutor>(plan_, model_, device_,
                                                 GpuOptions{.device = options.gpu,
                                                            .validate = options.validate,
                                                            .threads = options.threads,
                                                            .dims = std::move(options.dims),
                                                            .index_bounds = std::move(facts.index_bounds),
                                                            .row_bounds = std::move(facts.row_bounds)});
    return;
  }
  auto cpu = std::make_unique<CpuExecutor>(plan_, model_, device_,
                                           CpuOptions{.threads = options.threads,
                                                      .dims = std::move(options.dims),
                                                      .index_bounds = std::move(facts.index_bounds),
                                                      .row_bounds = std::move(facts.row_bounds),
                                                      .on_compile = options.on_compile});
  compile_s_ = cpu->library().compile_s();
  executor_ = std::move(cpu);
}

std::int64_t CompiledGraph::limit(std::string_view symbol) const {
  std::int64_t most = 0;
  for (const plan::EntryPoint& e : plan_.entries)
    for (const plan::Symbol& s : e.symbols)
      if (s.name == symbol) most = std::max(most, s.max);
  return most;
}

Outputs CompiledGraph::step(const Inputs& inputs) {
  std::map<std::string, Tensor, std::less<>> given;
  for (const auto& entry : inputs) {  // no structured binding: clang 14 cannot capture one
    const std::string& name = entry.first;
    const InputValue& value = entry.second;
    const auto b = std::find_if(plan_.buffers.begin(), plan_.buffers.end(), [&](const plan::Buffer& buffer) {
      return buffer.role == plan::Role::input && buffer.key == name;
    });
    if (b == plan_.buffers.end()) fail(ErrorCode::not_found, "[run] the graph has no input '{}'", name);
    given.insert_or_assign(name, tensor_of(*b, value));
  }
  Outputs outputs;
  for (auto& [name, tensor] : executor_->step(given)) outputs.set(name, std::move(tensor));
  return outputs;
}

}  // namespace openinfer::run
