// SPDX-License-Identifier: Apache-2.0
// Any graph, one step: inputs from .npy files, outputs to .npy files.
#include <utility>

#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"

namespace openinfer::cli {

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

  SimSession session(run.model, run.chosen.graph, run.backend(), run.session_options(std::move(dims)), Location{});
  run.attach(session);
  const auto outputs = session.run_step(inputs, wanted, Location{});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Tensor& tensor = outputs[wanted[i]];
    files[i].write(npy_header(tensor.dtype(), tensor.shape()));
    files[i].write(tensor.bytes());
  }
  for (auto& file : files) file.commit();
  run.finish(session);
}

}  // namespace openinfer::cli
