// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/graph_facts.h"

#include <algorithm>
#include <optional>

#include "codegen/plan/size.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"
#include "lib/ops/shapes.h"

namespace openinfer::plan {
namespace {

/// What has all elements of the value, moved or repeated: they are looked at there, also where an extent of 0 repeats
/// them for nobody.
ValueId origin(const GraphData& g, ValueId v) {
  const auto moves = [](const Node& n) {
    return n.op->name == "broadcast" || n.op->name == "reshape" || n.op->name == "transpose";
  };
  while (g.values[v].node != kNoNode && moves(g.nodes[g.values[v].node])) v = g.nodes[g.values[v].node].operands[0];
  return v;
}

bool is_input(const GraphData& g, ValueId v) {
  const auto& arguments = g.top().arguments;
  const auto end = arguments.begin() + static_cast<std::ptrdiff_t>(g.inputs.size());
  return std::find(arguments.begin(), end, v) != end;
}

std::size_t axis_of(const Node& n, std::size_t rank) {
  return openinfer::axis_of(std::get<std::int64_t>(attribute_or_fallback(n, "axis")), rank);
}

class Facts {
 public:
  explicit Facts(const GraphData& g) : g_(g) {}

  GraphFacts run() {
    for (const Node& n : g_.nodes) {
      if (n.op->name == "gather") gather(n);
      if (n.op->name == "scatter") scatter(n);
      if (n.op->name == "expert_matmul") experts(n);
      if (n.op->name == "kv_write") cache(n);
    }
    for (const Node& n : g_.nodes)
      if (n.op->name == "sdpa") attention(n);
    return std::move(facts_);
  }

 private:
  /// The graph's input that the operand has its elements from, or "".
  std::string input(const Node& n, std::string_view operand) const {
    for (std::size_t i = 0; i < n.op->operands.size() && i < n.operands.size(); ++i) {
      if (n.op->operands[i].name != operand || n.operands[i] == kNoValue) continue;
      const ValueId from = origin(g_, n.operands[i]);
      if (!is_input(g_, from)) return "";
      const auto& arguments = g_.top().arguments;
      return g_
          .inputs[static_cast<std::size_t>(std::find(arguments.begin(), arguments.end(), from) - arguments.begin())];
    }
    return "";
  }
  void bound(IndexBound::Of of, const std::string& input, const Dim& below, const std::string& what) {
    const auto same = [&](const IndexBound& b) { return b.input == input && b.below == below && b.what == what; };
    auto& all = facts_.index_bounds;
    if (!input.empty() && std::none_of(all.begin(), all.end(), same)) all.push_back({of, input, below, what});
  }
  void gather(const Node& n) {
    const ValueInfo& table = g_.values[n.operands[0]];
    std::string name = table.name;
    if (table.node != kNoNode && g_.nodes[table.node].op == &weight_op()) {
      name = g_.weights[static_cast<std::size_t>(g_.nodes[table.node].decl)].pattern;
      facts_.looked_up.push_back(name);
    }
    bound(IndexBound::Of::entries, input(n, "ids"), table.type.shape[axis_of(n, table.type.shape.size())],
          "entries of " + name);
  }
  void scatter(const Node& n) {
    const ValueInfo& x = g_.values[n.operands[0]];
    bound(IndexBound::Of::entries, input(n, "ids"), x.type.shape[axis_of(n, x.type.shape.size())],
          "entries of " + x.name);
  }
  void experts(const Node& n) {
    bound(IndexBound::Of::entries, input(n, "ids"), g_.values[n.operands[1]].type.shape[0],
          "experts of " + result_name(n));
  }
  /// What positions reach in a cache that other positions write: a cross attention's.
  void attention(const Node& n) {
    const Shape& keys = g_.values[n.operands[1]].type.shape;
    const auto reach = [&](std::string_view operand, const Dim& below, const char* what) {
      const std::string name = input(n, operand);
      const auto same = [&](const IndexBound& b) { return b.input == name; };
      if (std::none_of(facts_.index_bounds.begin(), facts_.index_bounds.end(), same))
        bound(IndexBound::Of::entries, name, below, what + result_name(n));
    };
    reach("pos", keys[2], "keys of ");
    reach("slot", keys[0], "slots of ");
  }
  std::string result_name(const Node& n) const { return g_.values[n.results[0]].name; }
  void cache(const Node& n) {
    const int state = g_.values[n.operands.back()].state;
    if (state < 0) return;
    const StateDecl& decl = g_.states[static_cast<std::size_t>(state)];
    bound(IndexBound::Of::positions, input(n, "pos"), decl.spec.shape[3], "positions of " + decl.name);
    bound(IndexBound::Of::positions, input(n, "step"), decl.spec.shape[3], "positions of " + decl.name);
    bound(IndexBound::Of::slots, input(n, "slot"), decl.spec.shape[1], "slots of " + decl.name);
  }

  const GraphData& g_;
  GraphFacts facts_;
};

}  // namespace

std::vector<RowBound> row_bounds(const GraphData& graph) {
  constexpr std::size_t kPos = 4, kSlot = 5;
  std::vector<RowBound> all;
  for (const Node& n : graph.nodes) {
    if (n.op->name != "sdpa") continue;
    const auto has = [&](std::size_t i) { return i < n.operands.size() && n.operands[i] != kNoValue; };
    const Shape &q = graph.values[n.operands[0]].type.shape, &k = graph.values[n.operands[1]].type.shape;
    if (q.size() == 2 && !has(kPos) && !has(kSlot)) all.push_back({q[0], k[0], n.at});
  }
  return all;
}

namespace {

/// One more than the largest of a constant's elements, which are ids.
std::int64_t beyond_ids(const Node& n, const Tensor& ids) {
  std::int64_t beyond = 0;
  const auto look = [&](const auto& all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] < 0) fail_at(n.at, ErrorCode::invalid_argument, "[gather] id {} at place {} is below 0", all[i], i);
      beyond = std::max<std::int64_t>(beyond, std::int64_t{all[i]} + 1);
    }
  };
  if (ids.dtype() == DType::i64)
    look(ids.data<std::int64_t>());
  else
    look(ids.data<std::int32_t>());
  return beyond;
}

std::optional<ExtentBound> of_gather(const GraphData& g, const Node& n) {
  const Shape& table = g.values[n.operands[0]].type.shape;
  const ValueId ids = origin(g, n.operands[1]);
  if (is_input(g, ids)) return std::nullopt;  // IndexBound
  ExtentBound bound = {table[axis_of(n, table.size())], 1, "[gather] entries of a table:", n.at};
  const Node* from = g.values[ids].node == kNoNode ? nullptr : &g.nodes[g.values[ids].node];
  if (from && from->op == &constant_op())
    bound.least = beyond_ids(n, g.constants[static_cast<std::size_t>(from->decl)].tensor);
  return bound;
}

std::vector<ExtentBound> of_extreme(const GraphData& g, const Node& n, bool largest) {
  const Shape& x = g.values[n.operands[0]].type.shape;
  std::vector<ExtentBound> all;
  const auto add = [&](const Dim& extent) {
    if (!extent.is_constant())  // lowering refuses 0
      all.push_back({extent, 1, fmt::format("[{}] the {} of", n.op->name, largest ? "largest" : "smallest"), n.at});
  };
  if (n.op->name.starts_with("arg")) {
    add(x[axis_of(n, x.size())]);
    return all;
  }
  const Attribute* given = n.attributes.find("axes");
  const Shape axes = given ? std::get<Shape>(*given) : Shape{};
  if (axes.empty())
    for (const Dim& d : x) add(d);
  for (const Dim& axis : axes)
    add(x[static_cast<std::size_t>(axis.constant() + (axis.constant() < 0 ? std::ssize(x) : 0))]);
  return all;
}

}  // namespace

std::vector<ExtentBound> extent_bounds(const GraphData& graph) {
  std::vector<ExtentBound> all;
  for (const Node& n : graph.nodes) {
    // Where the extent is one of these too and 0, there is nothing to compute.
    const Shape* counts = nullptr;
    std::vector<ExtentBound> bounds;
    if (n.op->name == "gather") {
      counts = &graph.values[n.operands[1]].type.shape;
      if (const std::optional<ExtentBound> bound = of_gather(graph, n)) bounds.push_back(*bound);
    } else if (const bool largest = n.op->name == "reduce_max" || n.op->name == "argmax";
               largest || n.op->name == "reduce_min" || n.op->name == "argmin") {
      counts = &graph.values[n.results[0]].type.shape;
      bounds = of_extreme(graph, n, largest);
    }
    for (ExtentBound& bound : bounds)
      if (bound.least > 1 || std::find(counts->begin(), counts->end(), bound.extent) == counts->end())
        all.push_back(std::move(bound));
  }
  return all;
}

Caches caches(const GraphData& graph) {
  Caches all;
  const auto take = [](const Dim& dim, std::vector<Dim>& dims, std::string& symbol) {
    dims.push_back(dim);
    if (symbol.empty()) symbol = lone_symbol(dim);
  };
  for (const StateDecl& s : graph.states) {
    if (s.spec.kind != StateSpec::Kind::kv_cache) continue;
    take(s.spec.shape[1], all.slots, all.slots_symbol);
    if (s.name != kSourceCache) take(s.spec.shape[3], all.contexts, all.context_symbol);
  }
  return all;
}

GraphFacts graph_facts(const Graph& graph) {
  GraphFacts facts = Facts(graph.data()).run();
  facts.row_bounds = row_bounds(graph.data());
  facts.caches = caches(graph.data());
  return facts;
}

}  // namespace openinfer::plan
