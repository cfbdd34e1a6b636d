// SPDX-License-Identifier: Apache-2.0
// The walk over regions: definitions before uses, types, tokens, captures, names.
#include "lib/graph/verify.h"

#include <algorithm>
#include <set>

#include "lib/base/fail.h"
#include "lib/graph/infer.h"
#include "lib/graph/invalid.h"
#include "lib/graph/loop_names.h"
#include "lib/graph/verifier.h"

namespace openinfer {
namespace {

constexpr std::int64_t kIndexLimit = std::int64_t{1} << 31;  // a loop's index is an i32

class Walk {
 public:
  explicit Walk(const GraphData& g)
      : g_(g),
        visible_(g.values.size()),
        defined_(g.values.size()),
        regions_(g.regions.size()),
        nodes_(g.nodes.size()) {}

  void check() {
    top();
    for (std::size_t r = 0; r < regions_.size(); ++r) {
      if (!regions_[r].seen) fail(kInvalid, "[verify] region {} belongs to no node of the graph", r);
      const std::vector<ValueId> used(regions_[r].captures.begin(), regions_[r].captures.end());
      if (used != g_.regions[r].captures) fail(kInvalid, "[verify] region {} captures other values than it says", r);
    }
    for (std::size_t n = 0; n < nodes_.size(); ++n)
      if (!nodes_[n]) fail(kInvalid, "[verify] node {} stands in no region", n);
    for (std::size_t v = 0; v < defined_.size(); ++v)
      if (!defined_[v]) fail(kInvalid, "[verify] value {} is never defined", v);
    const auto hidden = ambiguous_names(g_);
    if (!hidden.empty()) {
      const ValueId v = g_.nodes[hidden.begin()->first].results[hidden.begin()->second];
      fail(kInvalid, "[verify] the carried '{}' hides another value of that name", g_.values[v].name);
    }
  }

 private:
  struct Seen {
    bool seen = false;
    std::vector<ValueId> tokens;   // current one of each state; kNoValue: not an argument here
    std::vector<ValueId> initial;  // the arguments among them
    std::set<ValueId> captures;
  };

  const ValueInfo& value(ValueId v) const { return g_.values[v]; }

  /// What `node` says is wrong, at its line.
  template <class... Args>
  [[noreturn]] static void refuse(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
    fail_at(node.at, kInvalid, "[{}] {}", node.op->name, fmt::format(format, std::forward<Args>(args)...));
  }

  void define(ValueId v, RegionId region, NodeId node) {
    if (defined_[v] || value(v).region != region || value(v).node != node)
      fail(kInvalid, "[verify] value {} is defined twice, or elsewhere than it says", v);
    defined_[v] = visible_[v] = true;
  }

  void fresh_name(ValueId v) {
    if (!value(v).name.empty() && !names_.insert(value(v).name).second)
      fail(kInvalid, "[verify] two values are called '{}'", value(v).name);
  }

  void define_token(ValueId v, RegionId region, NodeId node) {
    define(v, region, node);
    Seen& seen = regions_[region];
    ValueId& current = seen.tokens[value(v).state];
    if (node == kNoNode) {
      if (current != kNoValue) fail(kInvalid, "[verify] region {} has two tokens of one state", region);
      seen.initial[value(v).state] = v;
    }
    current = v;
  }

  void use(ValueId v, RegionId region, Location at) {
    if (v >= g_.values.size() || !visible_[v])
      fail_at(at, kInvalid, "[verify] value {} is used before or outside of where it is defined", v);
    check_view(v, region, at);
    for (RegionId r = region; r != value(v).region; r = g_.regions[r].parent) {
      OPENINFER_ASSERT(r != kTopRegion);  // what is visible is defined here or around here
      regions_[r].captures.insert(v);
    }
  }

  void use_token(ValueId v, RegionId region, const Node& node) {
    if (value(v).state < 0 || regions_[region].tokens[value(v).state] != v)
      refuse(node, "takes a version of a state that is not the current one of its region");
  }

  /// A view shows the state's memory: no write may come between the read and this use, in any turn.
  void check_view(ValueId v, RegionId region, Location at) const {
    const auto view = views_.find(v);
    if (view == views_.end()) return;
    const ValueId read = view->second, token = g_.nodes[value(read).node].operands.back();
    const int state = value(token).state;
    const auto stale = [&] {
      fail_at(at, kInvalid, "[verify] '{}' was read before a later write to ${}; read it again", value(v).name,
              g_.states[state].name);
    };
    RegionId r = region;
    for (; r != value(read).region; r = g_.regions[r].parent) {
      const ValueId initial = regions_[r].initial[state];
      if (regions_[r].tokens[state] != initial || (initial != kNoValue && is_written(g_.regions[r], initial))) stale();
    }
    if (regions_[r].tokens[state] != token) stale();
  }

  /// In a loop's body: the next turn gets another version than this one.
  bool is_written(const Region& region, ValueId initial) const {
    if (region.owner == kNoNode || g_.nodes[region.owner].op != &loop_op()) return false;
    return std::find(region.results.begin(), region.results.end(), initial) == region.results.end();
  }

  Seen& enter(RegionId id, RegionId parent, NodeId owner) {
    if (regions_[id].seen || g_.regions[id].parent != parent || g_.regions[id].owner != owner)
      fail(kInvalid, "[verify] region {} stands in the wrong place", id);
    regions_[id].seen = true;
    regions_[id].tokens.assign(g_.states.size(), kNoValue);
    regions_[id].initial.assign(g_.states.size(), kNoValue);
    return regions_[id];
  }

  void top() {
    enter(kTopRegion, kTopRegion, kNoNode);
    const Region& region = g_.top();
    const std::size_t inputs = g_.inputs.size();
    if (region.arguments.size() != inputs + g_.states.size())
      fail(kInvalid, "[verify] the graph has {} arguments for {} inputs and {} states", region.arguments.size(), inputs,
           g_.states.size());
    for (std::size_t i = 0; i < region.arguments.size(); ++i) {
      const ValueId v = region.arguments[i];
      const int state = i < inputs ? -1 : static_cast<int>(i - inputs);
      if (value(v).state != state || (i < inputs && value(v).name != g_.inputs[i]))
        fail(kInvalid, "[verify] argument {} of the graph is not what it declares", i);
      if (i < inputs && info(value(v).type.dtype).block_size != 1)
        fail(kInvalid, "[verify] input '{}' cannot be {}", g_.inputs[i], name(value(v).type.dtype));
      state < 0 ? define(v, kTopRegion, kNoNode) : define_token(v, kTopRegion, kNoNode);
      fresh_name(v);
    }
    nodes(kTopRegion, 0);
    std::vector<ValueId> results;
    for (const OutputDecl& o : g_.outputs) results.push_back(o.value);
    for (ValueId v : results) {
      const bool made = v < g_.values.size() && value(v).node != kNoNode;
      use(v, kTopRegion, made ? g_.nodes[value(v).node].at : Location{});
      if (value(v).state >= 0) fail(kInvalid, "[verify] an output is a state");
      if (!is_plain(value(v)))
        fail(kInvalid, "[verify] the output {} is stored in blocks or several dtypes", describe(g_, v));
    }
    const auto& tokens = regions_[kTopRegion].tokens;
    results.insert(results.end(), tokens.begin(), tokens.end());
    if (results != region.results) fail(kInvalid, "[verify] the graph's results are not its outputs and states");
    if (results.empty()) fail(kInvalid, "[verify] the graph has no output");
  }

  void nodes(RegionId region, int depth) {
    if (depth > kMaxNesting) fail(kInvalid, "[verify] regions are nested more than {} deep", kMaxNesting);
    for (NodeId id : g_.regions[region].nodes) {
      if (nodes_[id]) fail(kInvalid, "[verify] node {} stands in two places", id);
      nodes_[id] = true;
      try {
        this->node(id, region, depth);
      } catch (const Error& e) {
        if (!e.where().empty()) throw;
        throw Error(e.code(), e.message(), g_.nodes[id].at);
      }
    }
  }

  void node(NodeId id, RegionId region, int depth) {
    const Node& node = g_.nodes[id];
    if (is_leaf(node))
      leaf(node, id, region);
    else if (node.op == &loop_op())
      loop(node, id, region, depth);
    else if (node.op == &cond_op())
      cond(node, id, region, depth);
    else
      operation(node, id, region);
  }

  void leaf(const Node& node, NodeId id, RegionId region) {
    for (ValueId v : node.operands) use(v, region, node.at);
    verify_leaf(g_, node, loops_);
    define(node.results[0], region, id);
  }

  void operation(const Node& node, NodeId id, RegionId region) {
    const StateUse access = node.op->traits.state;
    std::size_t count = node.operands.size();
    if (!node.op->infer) refuse(node, "has no infer function");
    if (access != StateUse::none) {
      if (count == 0 || node.operands.back() == kNoValue) refuse(node, "needs a state");
      use(node.operands.back(), region, node.at);
      use_token(node.operands[--count], region, node);
    }
    for (std::size_t i = 0; i < count; ++i)
      if (node.operands[i] != kNoValue) use(node.operands[i], region, node.at);
    const auto types = infer(g_, node);
    const bool writes = access == StateUse::write;
    if (node.results.size() != types.size() + writes)
      refuse(node, "has {} results and infer gives {}", node.results.size(), types.size() + writes);
    for (std::size_t i = 0; i < types.size(); ++i) {
      const ValueInfo& result = value(node.results[i]);
      if (result.state >= 0 || result.type != types[i])
        refuse(node, "result '{}' is {} and infer gives {}", result.name, result.type.to_string(),
               types[i].to_string());
      for (const Dim& d : types[i].shape) verify_size(g_, d, "result '" + result.name + "'", node.at);
      define(node.results[i], region, id);
      fresh_name(node.results[i]);
      if (const ValueId view = shown_view(g_, node.results[i]); view != kNoValue) views_[node.results[i]] = view;
    }
    if (!writes) return;
    if (value(node.results.back()).state != value(node.operands.back()).state) refuse(node, "changes another state");
    define_token(node.results.back(), region, id);
  }

  void leave(RegionId id) {
    for (ValueId v : g_.regions[id].arguments) visible_[v] = false;
    for (NodeId n : g_.regions[id].nodes)
      for (ValueId v : g_.nodes[n].results) visible_[v] = false;
    regions_[id].tokens = regions_[id].initial = {};
  }

  /// A region's results [from, …) are the current tokens of the states whose tokens are its arguments [arguments, …).
  void check_result_tokens(const Node& node, RegionId id, std::size_t arguments, std::size_t from) const {
    const Region& region = g_.regions[id];
    if (region.results.size() - from != region.arguments.size() - arguments)
      refuse(node, "a region takes {} states and gives {}", region.arguments.size() - arguments,
             region.results.size() - from);
    for (std::size_t i = 0; from + i < region.results.size(); ++i)
      if (region.results[from + i] != regions_[id].tokens[value(region.arguments[arguments + i]).state])
        refuse(node, "a region gives a version of a state that is not its last");
  }

  void structure(const Node& node) const {
    if (node.hint != hints{}) refuse(node, "takes no hints");
    for (ValueId v : node.operands)
      if (v == kNoValue) refuse(node, "an operand is missing");
  }

  /// Operands [from, …) and results [to, …) of a loop or branch are the tokens that its region takes.
  void join_tokens(const Node& node, NodeId id, RegionId region, std::size_t from, std::size_t to) {
    for (std::size_t i = 0; from + i < node.operands.size(); ++i) {
      const ValueId result = node.results[to + i];
      if (value(result).state != value(node.operands[from + i]).state) refuse(node, "joins different states");
      define_token(result, region, id);
    }
  }

  void loop(const Node& node, NodeId id, RegionId region, int depth) {
    structure(node);
    const Attribute *from = node.attributes.find("from"), *to = node.attributes.find("to");
    const auto *first = from ? std::get_if<std::int64_t>(from) : nullptr,
               *last = to ? std::get_if<std::int64_t>(to) : nullptr;
    if (!first || !last || node.attributes.entries().size() != 2 || *first > *last || *first < -kIndexLimit ||
        *last > kIndexLimit)
      refuse(node, "needs from <= to within 32 bits");
    const RegionId body_id = node.regions[0];
    const Region& body = g_.regions[body_id];
    const std::size_t count = node.operands.size();
    if (body.arguments.size() != count + 1 || body.results.size() != count || node.results.size() != count)
      refuse(node, "carries {} values in, {} through, {} on and {} out", count, body.arguments.size(),
             body.results.size(), node.results.size());
    for (ValueId v : node.operands) use(v, region, node.at);
    enter(body_id, region, id);
    const ValueInfo& index = value(body.arguments[0]);
    if (index.state >= 0 || index.type != TensorType{DType::i32, {}}) refuse(node, "its index is no i32");
    define(body.arguments[0], body_id, kNoNode);
    fresh_name(body.arguments[0]);
    std::size_t values = 0;
    while (values < count && value(node.operands[values]).state < 0) ++values;
    for (std::size_t i = 0; i < count; ++i) carry_in(node, i, i < values, region, body_id);
    loops_[body.arguments[0]] = {*first, *last};
    nodes(body_id, depth + 1);
    loops_.erase(body.arguments[0]);
    for (std::size_t i = 0; i < values; ++i) {
      use(body.results[i], body_id, node.at);
      plain(body.results[i], node);
      const ValueInfo &in = value(body.arguments[i + 1]), &out = value(body.results[i]),
                      &result = value(node.results[i]);
      if (out.state >= 0 || result.state >= 0 || out.type != in.type || result.type != in.type ||
          result.name != in.name)
        refuse(node, "carried '{}' enters as {} and leaves the body as {}", in.name, in.type.to_string(),
               out.type.to_string());
    }
    check_result_tokens(node, body_id, values + 1, values);
    leave(body_id);
    for (std::size_t i = 0; i < values; ++i) define(node.results[i], region, id);
    join_tokens(node, id, region, values, values);
  }

  /// What crosses the border of a region is one plain tensor.
  void plain(ValueId v, const Node& node) const {
    if (!is_plain(value(v))) refuse(node, "{} is stored in blocks or several dtypes; cast it first", describe(g_, v));
  }

  void carry_in(const Node& node, std::size_t i, bool is_value, RegionId region, RegionId body) {
    const ValueId init = node.operands[i], argument = g_.regions[body].arguments[i + 1];
    if (!is_value) {
      use_token(init, region, node);
      if (value(argument).state != value(init).state) refuse(node, "joins different states");
      return define_token(argument, body, kNoNode);
    }
    plain(init, node);
    const ValueInfo &in = value(init), &inside = value(argument);
    if (inside.state >= 0 || inside.type != in.type)
      refuse(node, "carried '{}' enters as {} and is {} inside", inside.name, in.type.to_string(),
             inside.type.to_string());
    define(argument, body, kNoNode);
    if (inside.name != in.name) fresh_name(argument);
  }

  void cond(const Node& node, NodeId id, RegionId region, int depth) {
    structure(node);
    if (node.operands.empty()) refuse(node, "needs a predicate");
    const ValueInfo& predicate = value(node.operands[0]);
    if (predicate.state >= 0 || predicate.type != TensorType{DType::boolean, {}})
      refuse(node, "the predicate is {}; a scalar bool[] is needed", predicate.type.to_string());
    for (ValueId v : node.operands) use(v, region, node.at);
    const std::size_t tokens = node.operands.size() - 1;
    if (node.results.size() < tokens) refuse(node, "gives fewer states than it takes");
    const std::size_t values = node.results.size() - tokens;
    for (std::size_t t = 0; t < tokens; ++t) use_token(node.operands[t + 1], region, node);
    for (RegionId branch : node.regions) check_branch(node, id, branch, region, values, depth);
    for (std::size_t i = 0; i < values; ++i) {
      define(node.results[i], region, id);
      fresh_name(node.results[i]);
    }
    join_tokens(node, id, region, 1, values);
  }

  void check_branch(const Node& node, NodeId id, RegionId branch, RegionId region, std::size_t values, int depth) {
    const Region& r = g_.regions[branch];
    const std::size_t tokens = node.operands.size() - 1;
    if (r.arguments.size() != tokens || r.results.size() != values + tokens)
      refuse(node, "a branch takes {} states and gives {} values; {} and {} are needed", r.arguments.size(),
             r.results.size(), tokens, values + tokens);
    enter(branch, region, id);
    for (std::size_t t = 0; t < tokens; ++t) {
      if (value(r.arguments[t]).state < 0 || value(r.arguments[t]).state != value(node.operands[t + 1]).state)
        refuse(node, "joins different states");
      define_token(r.arguments[t], branch, kNoNode);
    }
    nodes(branch, depth + 1);
    for (std::size_t i = 0; i < values; ++i) {
      use(r.results[i], branch, node.at);
      plain(r.results[i], node);
      const ValueInfo &inside = value(r.results[i]), &result = value(node.results[i]);
      if (inside.state >= 0 || result.state >= 0 || inside.type != result.type)
        refuse(node, "a branch returns {} where {} is the result", inside.type.to_string(), result.type.to_string());
    }
    check_result_tokens(node, branch, 0, values);
    leave(branch);
  }

  const GraphData& g_;
  std::vector<char> visible_, defined_;
  std::vector<Seen> regions_;
  std::vector<char> nodes_;
  LoopRanges loops_;
  std::map<ValueId, ValueId> views_;  // a value that shows a state's memory -> what read it
  std::set<std::string_view> names_;
};

}  // namespace

void verify(const GraphData& g) {
  verify_tables(g);
  Walk(g).check();
  verify_groups(g);
}

}  // namespace openinfer
