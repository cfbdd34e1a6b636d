// SPDX-License-Identifier: Apache-2.0
// Loops, branches and the end of a graph. A state becomes an argument of a region when a node in it first asks for it.
#include <algorithm>

#include "lib/base/fail.h"
#include "lib/graph/draft.h"
#include "lib/graph/invalid.h"
#include "lib/graph/loop_names.h"

namespace openinfer {
namespace {

/// Adds to each region the outer values that its nodes, or those of regions inside it, use.
void find_captures(GraphData& g) {
  const auto use = [&](ValueId value, RegionId user) {
    if (value == kNoValue) return;
    for (RegionId r = user; r != g.values[value].region; r = g.regions[r].parent) {
      OPENINFER_ASSERT(r != kTopRegion);
      g.regions[r].captures.push_back(value);
    }
  };
  for (RegionId r = 0; r < g.regions.size(); ++r) {
    for (NodeId n : g.regions[r].nodes)
      for (ValueId v : g.nodes[n].operands) use(v, r);
    for (ValueId v : g.regions[r].results) use(v, r);
  }
  for (Region& region : g.regions) {
    std::sort(region.captures.begin(), region.captures.end());
    region.captures.erase(std::unique(region.captures.begin(), region.captures.end()), region.captures.end());
  }
}

/// A family may have grown after a leaf named it: every use has the dtypes of all members.
void refresh_families(GraphData& g) {
  for (const Node& n : g.nodes) {
    if (n.op != &weight_op()) continue;
    ValueInfo& value = g.values[n.results[0]];
    value.dtypes = g.weights[n.decl].dtypes;
    value.type.dtype = value.dtypes.front();
  }
}

}  // namespace

RegionId Draft::push_region() {
  Region region;
  region.parent = scopes.back().region;
  g.regions.push_back(std::move(region));
  Scope scope;
  scope.region = static_cast<RegionId>(g.regions.size() - 1);
  scope.tokens.assign(g.states.size(), kNoValue);
  scopes.push_back(std::move(scope));
  return scopes.back().region;
}

ValueId Draft::token(int state) {
  Scope& scope = scopes.back();
  if (scope.tokens.size() < g.states.size()) scope.tokens.resize(g.states.size(), kNoValue);
  ValueId& current = scope.tokens.at(state);
  if (current == kNoValue) {
    current = new_token(state, scope.region, kNoNode);
    g.regions[scope.region].arguments.push_back(current);
    scope.token_states.push_back(state);
  }
  return current;
}

/// After a region was closed: the node takes the surrounding tokens of `states` and puts new ones in their place.
std::vector<ValueId> Draft::join_tokens(NodeId node, std::span<const int> states) {
  std::vector<ValueId> results;
  for (int state : states) {
    g.nodes[node].operands.push_back(token(state));
    results.push_back(scopes.back().tokens[state] = new_token(state, scopes.back().region, node));
  }
  return results;
}

std::optional<std::pair<std::int64_t, std::int64_t>> Draft::loop_range(ValueId index) const {
  const auto found = loop_ranges_.find(index);
  return found == loop_ranges_.end() ? std::nullopt : std::optional(found->second);
}

Draft::Mark Draft::mark() const {
  return {scopes.size(),    g.dims.size(),   g.states.size(), g.constants.size(),
          g.weights.size(), g.values.size(), g.nodes.size(),  g.regions.size()};
}

void Draft::check_kept(std::size_t Mark::*kind, std::size_t number, std::size_t times, std::string_view op,
                       Location at) const {
  for (; times < undone.size(); ++times)
    if (number >= undone[times].*kind)
      fail_at(at, kInvalid, "[{}] this was made in the body of a loop or branch that threw, and is gone with it", op);
}

void Draft::undo(const Mark& mark) {
  undone.push_back(mark);
  const auto cut = [](auto& all, std::size_t size) {
    if (all.size() > size) all.erase(all.begin() + static_cast<std::ptrdiff_t>(size), all.end());
  };
  for (std::size_t v = mark.values; v < g.values.size(); ++v)
    if (!g.values[v].name.empty()) let_go(g.values[v].name);
  cut(scopes, mark.scopes);
  cut(g.dims, mark.dims), cut(g.states, mark.states), cut(g.constants, mark.constants), cut(g.weights, mark.weights);
  cut(g.values, mark.values), cut(g.nodes, mark.nodes), cut(g.regions, mark.regions);
  for (Scope& scope : scopes) {
    cut(scope.tokens, mark.states);
    std::erase_if(g.regions[scope.region].nodes, [&](NodeId n) { return n >= mark.nodes; });
  }
  std::erase_if(unnamed_constants_, [&](std::size_t decl) { return decl >= mark.constants; });
  std::erase_if(loop_ranges_, [&](const auto& entry) { return entry.first >= mark.values; });
}

Draft::OpenLoop Draft::begin_loop(std::string_view index_name, std::int64_t from, std::int64_t to,
                                  std::vector<ValueId> init, std::span<const std::string> names, Location at) {
  check_name("loop", index_name, at);
  constexpr std::int64_t kLast = std::int64_t{1} << 31;  // the index is an i32
  if (from > to || from < -kLast || to > kLast)
    fail_at(at, kInvalid, "[loop] '{}' runs over {}..{}; from <= to within 32 bits is needed", index_name, from, to);
  for (ValueId v : init) {
    check_plain(v, "loop", at);
    if (g.values[v].state >= 0) fail_at(at, kInvalid, "[loop] a state is carried by itself");
  }
  OpenLoop loop{from, to, std::move(init), {}, at};
  const RegionId region = push_region();
  loop.arguments.push_back(new_value(unique_name(index_name), {DType::i32, {}}, region, kNoNode));
  loop_ranges_[loop.arguments[0]] = {from, to};
  for (std::size_t i = 0; i < loop.init.size(); ++i) {
    const ValueInfo& v = g.values[loop.init[i]];
    const std::string wanted = i < names.size() && !names[i].empty() ? names[i] : v.name.empty() ? "carried" : v.name;
    check_name("loop", wanted, at);
    // A carried value keeps its name, in the loop and behind it; finish() separates them where that would mislead.
    const std::string own = wanted == v.name ? wanted : unique_name(wanted);
    loop.arguments.push_back(new_value(own, TensorType(v.type), region, kNoNode));
  }
  g.regions[region].arguments = loop.arguments;
  return loop;
}

std::vector<ValueId> Draft::end_loop(OpenLoop loop, std::span<const ValueId> next) {
  const RegionId region = scopes.back().region;
  if (next.size() != loop.init.size())
    fail_at(loop.at, kInvalid, "[loop] carries {} values in and {} out", loop.init.size(), next.size());
  for (std::size_t i = 0; i < next.size(); ++i) {
    check_plain(next[i], "loop", loop.at);
    const ValueInfo& carried = g.values[loop.arguments[i + 1]];
    const TensorType& leaves = g.values[next[i]].type;
    if (leaves != carried.type)
      fail_at(loop.at, leaves.dtype != carried.type.dtype ? ErrorCode::dtype_mismatch : ErrorCode::shape_mismatch,
              "[loop] carried '{}' enters as {} and leaves the body as {}", carried.name, carried.type.to_string(),
              leaves.to_string());
  }
  const Scope body = std::move(scopes.back());
  scopes.pop_back();
  g.regions[region].results.assign(next.begin(), next.end());
  for (int state : body.token_states) g.regions[region].results.push_back(body.tokens[state]);

  Node node{.op = &loop_op(), .operands = loop.init, .regions = {region}, .at = loop.at};
  node.attributes = {{"from", loop.from}, {"to", loop.to}};
  const NodeId id = append(std::move(node));
  g.regions[region].owner = id;
  std::vector<ValueId> results;
  for (std::size_t i = 1; i < loop.arguments.size(); ++i) {
    const ValueInfo& carried = g.values[loop.arguments[i]];
    results.push_back(new_value(std::string(carried.name), TensorType(carried.type), scopes.back().region, id));
  }
  g.nodes[id].results = results;
  const auto tokens = join_tokens(id, body.token_states);
  g.nodes[id].results.insert(g.nodes[id].results.end(), tokens.begin(), tokens.end());
  return results;
}

Draft::OpenCond Draft::begin_cond(ValueId predicate, Location at) {
  check_open("cond", at);
  check_usable(predicate, "cond", at);
  const TensorType& type = g.values[predicate].type;
  if (type.dtype != DType::boolean || !type.shape.empty())
    fail_at(at, ErrorCode::dtype_mismatch, "[cond] the predicate is {}; a scalar bool[] is needed", type.to_string());
  OpenCond cond;
  cond.predicate = predicate;
  cond.at = at;
  return cond;
}

void Draft::begin_branch(OpenCond& cond) { cond.regions.push_back(push_region()); }

void Draft::end_branch(OpenCond& cond, std::span<const ValueId> results) {
  for (ValueId v : results) {
    check_plain(v, "cond", cond.at);
    if (g.values[v].state >= 0) fail_at(cond.at, kInvalid, "[cond] a state leaves a branch by itself");
  }
  cond.results.emplace_back(results.begin(), results.end());
  cond.closed.push_back(std::move(scopes.back()));
  scopes.pop_back();
}

std::vector<ValueId> Draft::end_cond(OpenCond cond, std::span<const std::string> names) {
  OPENINFER_ASSERT(cond.regions.size() == 2);
  const auto& [yes, no] = std::tie(cond.results[0], cond.results[1]);
  if (yes.size() != no.size())
    fail_at(cond.at, kInvalid, "[cond] one branch returns {} values and the other {}", yes.size(), no.size());
  for (std::size_t i = 0; i < yes.size(); ++i)
    if (g.values[yes[i]].type != g.values[no[i]].type)
      fail_at(cond.at, ErrorCode::shape_mismatch, "[cond] the branches return {} and {}",
              g.values[yes[i]].type.to_string(), g.values[no[i]].type.to_string());

  std::vector<int> states = cond.closed[0].token_states;
  for (int state : cond.closed[1].token_states)
    if (std::find(states.begin(), states.end(), state) == states.end()) states.push_back(state);

  const NodeId id = append({.op = &cond_op(), .operands = {cond.predicate}, .regions = cond.regions, .at = cond.at});
  for (std::size_t branch = 0; branch < 2; ++branch) {
    Region& region = g.regions[cond.regions[branch]];
    Scope& scope = cond.closed[branch];
    region.owner = id;
    region.results = cond.results[branch];
    scope.tokens.resize(g.states.size(), kNoValue);
    std::vector<ValueId> arguments;
    for (int state : states) {
      const auto asked = std::find(scope.token_states.begin(), scope.token_states.end(), state);
      const bool used = asked != scope.token_states.end();
      arguments.push_back(used ? region.arguments[asked - scope.token_states.begin()]
                               : new_token(state, cond.regions[branch], kNoNode));
      region.results.push_back(used ? scope.tokens[state] : arguments.back());
    }
    region.arguments = std::move(arguments);
  }

  std::vector<ValueId> results;
  for (std::size_t i = 0; i < yes.size(); ++i) {
    const ValueInfo& v = g.values[yes[i]];
    const std::string wanted = i < names.size() && !names[i].empty() ? names[i] : v.name.empty() ? "cond" : v.name;
    results.push_back(new_value(unique_name(wanted), TensorType(v.type), scopes.back().region, id));
  }
  g.nodes[id].results = results;
  const auto tokens = join_tokens(id, states);
  g.nodes[id].results.insert(g.nodes[id].results.end(), tokens.begin(), tokens.end());
  return results;
}

std::shared_ptr<const GraphData> Draft::finish(Location at) {
  check_open("graph", at);
  if (scopes.size() != 1) fail_at(at, kInvalid, "[graph] built while a loop or branch is still open");
  if (g.outputs.empty() && scopes[0].tokens.empty())
    fail_at(at, kInvalid, "[graph] has no output; name one with output(\"name\", value)");
  Region& top = g.regions[kTopRegion];
  for (ValueId v = 0; v < g.values.size(); ++v)
    if (g.values[v].state >= 0 && g.values[v].region == kTopRegion && g.values[v].node == kNoNode)
      top.arguments.push_back(v);
  for (const OutputDecl& output : g.outputs) top.results.push_back(output.value);
  for (ValueId token : scopes[0].tokens) top.results.push_back(token);
  find_captures(g);
  refresh_families(g);
  separate_loop_names(g, [&](std::string_view wanted) { return unique_name(wanted); });
  built = true;
  return std::make_shared<const GraphData>(std::move(g));
}

}  // namespace openinfer
