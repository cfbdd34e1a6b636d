// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/backend.h"

#include "codegen/run/compiled_graph.h"

namespace openinfer::matrix {
namespace {

/// Any class with step(inputs).
template <class Compiled>
class ProgramOf final : public Program {
 public:
  template <class... Arguments>
  explicit ProgramOf(Arguments&&... arguments) : compiled_(std::forward<Arguments>(arguments)...) {}
  Outputs step(const Inputs& inputs) override { return compiled_.step(inputs); }

 private:
  Compiled compiled_;
};

}  // namespace

std::vector<Backend> backends() {
  return {{.name = "cpu", .promise = {}, .make = [](const Model& model, const Graph& graph) {
             // Two threads: workgroups of one dispatch run side by side.
             return std::make_unique<ProgramOf<run::CompiledGraph>>(model, graph, run::CpuOptions{.threads = 2});
           }}};
}

}  // namespace openinfer::matrix
