// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/runner.h"

#include "codegen/compile/spirv.h"
#include "codegen/run/compiled_graph.h"
#include "codegen/run/vulkan_kernel.h"
#include "openinfer/error.h"

namespace openinfer::matrix {
namespace {

class Compiled final : public Program {
 public:
  Compiled(const Model& model, const Graph& graph, Backend backend, run::RunOptions options)
      : compiled_(model, graph, backend, std::move(options)) {}
  Outputs step(const Inputs& inputs) override { return compiled_.step(inputs); }

 private:
  run::CompiledGraph compiled_;
};

constexpr const char* kLavapipe = "llvmpipe";

bool has_lavapipe() {
  if (!compile::has_spirv() || !run::has_vulkan()) return false;
  try {
    const run::VulkanDevice device({.device = kLavapipe, .validate = true});
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::optional<Runner> runner_of(Backend backend) {
  if (backend == Backend::cpu)
    return Runner{.name = "cpu", .promise = {}, .make = [](const Model& model, const Graph& graph) {
                    // Two threads: workgroups of one dispatch run side by side.
                    return std::make_unique<Compiled>(model, graph, Backend::cpu, run::RunOptions{.threads = 2});
                  }};
  if (backend != Backend::vulkan || !has_lavapipe()) return std::nullopt;
  return Runner{.name = "vulkan",
                .promise = {.exact_division = false, .denormals = false},
                .make = [](const Model& model, const Graph& graph) {
                  return std::make_unique<Compiled>(model, graph, Backend::vulkan,
                                                    run::RunOptions{.gpu = kLavapipe, .validate = true});
                }};
}

}  // namespace openinfer::matrix
