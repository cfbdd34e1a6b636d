// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include "lib/base/fail.h"
#include "lib/base/nearest.h"
#include "lib/graph/ir.h"
#include "lib/graph/print.h"
#include "lib/graph/verify.h"
#include "lib/passes/pipeline.h"

namespace openinfer {
namespace {

void check_dump_names(std::span<const GraphPass> passes, const PassOptions& options) {
  std::vector<std::string_view> names = {"all"};
  for (const GraphPass& pass : passes) names.push_back(pass.name);
  for (const std::string& wanted : options.dump)
    if (std::find(names.begin(), names.end(), wanted) == names.end())
      fail(ErrorCode::not_found, "[passes] no pass is called '{}'{}", wanted, did_you_mean(wanted, names));
}

bool is_dumped(const PassOptions& options, std::string_view pass) {
  return options.on_dump && std::any_of(options.dump.begin(), options.dump.end(),
                                        [&](const std::string& wanted) { return wanted == "all" || wanted == pass; });
}

/// A graph that a pass made is ours: what the verifier says of it is a bug, not the user's mistake.
void verify_after(std::string_view pass, const GraphData& g) {
  try {
    verify(g);
  } catch (const Error& e) {
    fail(ErrorCode::internal, "[{}] the pass made a graph that does not verify: {}", pass, e.what());
  }
}

}  // namespace

GraphPtr verify_pass(const GraphPtr& g) {
  verify(*g);
  return g;
}

PassResult run_passes(const Graph& graph, std::span<const GraphPass> passes, const PassOptions& options) {
  using Clock = std::chrono::steady_clock;
  check_dump_names(passes, options);
  PassResult result{graph, {}};
  graph.data();  // an empty Graph is an error before any pass
  for (const GraphPass& pass : passes) {
    const GraphPtr before = result.graph.shared();
    const auto start = Clock::now();
    const GraphPtr after = pass.run(before, options);
    const std::chrono::duration<double, std::micro> time = Clock::now() - start;
    if (after != before) verify_after(pass.name, *after);
    result.runs.push_back({pass.name, time.count(), before->nodes.size(), after->nodes.size()});
    if (is_dumped(options, pass.name)) {
      const std::string text_before = to_text(*before), text_after = to_text(*after);
      options.on_dump({pass.name, text_before, text_after});
    }
    result.graph = Graph(after);
  }
  return result;
}

}  // namespace openinfer
