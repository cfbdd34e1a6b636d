// SPDX-License-Identifier: Apache-2.0
// eval: one value of an unfinished graph, computed on a copy of it.
#include "lib/base/fail.h"
#include "lib/graph/builder.h"
#include "lib/graph/demand.h"
#include "lib/graph/draft.h"
#include "lib/sim/session.h"
#include "openinfer/sim.h"

namespace openinfer {
namespace {

constexpr std::string_view kResult = "result";

void check_closed(const GraphData& g, ValueId value) {
  const Demand demand = find_demand(g, {&value, 1});
  for (std::size_t i = 0; i < g.inputs.size(); ++i)
    if (demand.values[g.top().arguments[i]])
      fail(ErrorCode::invalid_argument,
           "[eval] '{}' depends on input '{}'; build the graph and give it to a SimSession", g.values[value].name,
           g.inputs[i]);
}

/// The graph so far with one output. The copy is open, so that the verifier would refuse it: the draft has checked each
/// node as it was added.
std::shared_ptr<const GraphData> copy_for(const Value& value) {
  if (!value) fail(ErrorCode::invalid_argument, "[eval] the value is empty: it was never given a value");
  const Draft& draft = *value.draft();
  if (draft.built) fail(ErrorCode::invalid_argument, "[eval] the graph is built: give it to a SimSession");
  check_kept(value, "eval", {});
  const ValueInfo& info = draft.g.values.at(value.id());
  if (info.region != kTopRegion)
    fail(ErrorCode::invalid_argument, "[eval] '{}' lives inside a loop or branch", info.name);
  check_closed(draft.g, value.id());
  auto g = std::make_shared<GraphData>(draft.g);
  g->outputs = {{std::string(kResult), value.id()}};
  g->regions[kTopRegion].results = {value.id()};
  return g;
}

}  // namespace

Tensor eval(const Value& value, At at) {
  return located(at, [&] {
    const Graph g(copy_for(value));  // first: it refuses an empty value
    auto program = std::make_shared<const Program>(g, g.data().model);
    SimSession session(std::make_unique<SimSession::Impl>(std::move(program), SimOptions{}));
    return session.run_step({}, {}, at)[kResult];
  });
}

}  // namespace openinfer
