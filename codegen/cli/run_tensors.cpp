// SPDX-License-Identifier: Apache-2.0
// Any graph, one step: inputs from .npy files, outputs to .npy files.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"

namespace openinfer::cli {
namespace {

/// The simulator computes what the wanted outputs need; compiled code computes all of them. "": every input is given.
std::string missing_input(const Graph& graph, const Inputs& given) {
  for (const auto& entry : graph.inputs()) {  // no structured binding: clang 14 cannot capture one
    const std::string& name = entry.first;
    const auto same = [&](const auto& input) { return input.first == name; };
    if (std::none_of(given.begin(), given.end(), same))
      return fmt::format("input {} is not given, and compiled code computes every output", name);
  }
  return "";
}

}  // namespace

void run_tensors(Run& run) {
  const auto& options = run.options;
  Inputs inputs;
  for (const auto& text : options.inputs) {
    const auto [name, path] = split_assignment(text);
    inputs.emplace_back(name, read_npy(path));
  }
  std::vector<std::string> wanted;
  std::vector<OutputFile> files;
  for (const auto& text : options.outputs) {
    const auto [name, path] = split_assignment(text);
    wanted.push_back(name);
    files.emplace_back(path);
  }
  auto dims = run.dims();
  RowContract contract;
  read_states(run.chosen.graph, contract);
  if (options.max_context && !contract.context_symbol.empty())
    dims.emplace(contract.context_symbol, choose_context(options, contract, 0));

  SimSession session = run.session(std::move(dims), missing_input(run.chosen.graph, inputs));
  if (!options.load_state.empty()) session.load_state(options.load_state, Location{});
  run.attach(session);
  const auto outputs = session.run_step(inputs, wanted, Location{});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Tensor& tensor = outputs[wanted[i]];
    files[i].write(npy_header(tensor.dtype(), tensor.shape()));
    files[i].write(tensor.bytes());
  }
  for (auto& file : files) file.commit();
  if (!options.save_state.empty()) session.save_state(options.save_state, {}, Location{});
  run.finish(session);
}

}  // namespace openinfer::cli
