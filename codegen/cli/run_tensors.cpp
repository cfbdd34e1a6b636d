// SPDX-License-Identifier: Apache-2.0
// Any graph, one step: inputs from .npy files, outputs to .npy files.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codegen/cli/npy.h"
#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"
#include "lib/sim/schedule.h"

namespace openinfer::cli {
namespace {

/// By the graph's inputs: do the wanted outputs, or what the step leaves in states, need it?
std::vector<bool> needed_inputs(const GraphData& g, const std::vector<std::string>& wanted) {
  std::vector<ValueId> roots;
  for (const OutputDecl& output : g.outputs)
    if (std::find(wanted.begin(), wanted.end(), output.name) != wanted.end()) roots.push_back(output.value);
  const std::vector<bool> values = make_schedule(g, roots, {}).needed;
  std::vector<bool> needed;
  for (const ValueId v : g.top().arguments) needed.push_back(values[v]);
  return needed;
}

/// The simulator computes what the wanted outputs need; compiled code computes all of them. "": every input is given.
/// Errors: invalid_argument for an input that nothing can do without.
std::string missing_input(const Graph& graph, const Inputs& given, const std::vector<std::string>& wanted) {
  const std::vector<bool> needed = needed_inputs(graph.data(), wanted);
  std::string missing;
  std::size_t i = 0;
  for (const auto& entry : graph.inputs()) {  // no structured binding: clang 14 cannot capture one
    const std::string& name = entry.first;
    const auto same = [&](const auto& input) { return input.first == name; };
    const bool is_needed = needed[i++];
    if (std::any_of(given.begin(), given.end(), same)) continue;
    if (is_needed)
      fail(ErrorCode::invalid_argument, "[run] input {}, {}, is not given: --input {}=F.npy", name,
           entry.second.to_string(), name);
    missing = fmt::format("input {} is not given, and compiled code computes every output", name);
  }
  return missing;
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
  plan::read_states(run.chosen.graph, contract);
  if (options.max_context && contract.context_symbol.empty())
    fail(ErrorCode::invalid_argument, "[run] --max-context {}: this graph has no cache of positions",
         *options.max_context);
  if (options.max_context) dims.emplace(contract.context_symbol, choose_context(options, contract, 0));

  if (!options.load_state.empty())
    SimSession::state_note(options.load_state, run.model, run.chosen.graph, Location{});  // before it is compiled
  SimSession session = run.session(std::move(dims), missing_input(run.chosen.graph, inputs, wanted));
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
