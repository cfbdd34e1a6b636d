// SPDX-License-Identifier: Apache-2.0
// Declarations, leaves and nodes. Regions are in draft_regions.cpp.
#include "lib/graph/draft.h"

#include <algorithm>
#include <utility>

#include "lib/base/checked.h"
#include "lib/base/fail.h"
#include "lib/graph/infer.h"
#include "lib/graph/invalid.h"
#include "lib/graph/names.h"

namespace openinfer {
namespace {

template <class Decls, class Name>
auto find_named(Decls& decls, std::string_view wanted, Name name) {
  return std::find_if(decls.begin(), decls.end(), [&](const auto& d) { return d.*name == wanted; });
}

/// "Wq" of "Wq.{}", and of "model.layers.{}.mlp.up" the whole with dots gone: what a value made with it is called.
std::string stem(const WeightDecl& decl) {
  std::string_view pattern = decl.pattern;
  while (pattern.ends_with(".{}")) pattern.remove_suffix(3);
  return to_name(pattern);
}

std::string default_name(const GraphData& g, const Node& node) {
  for (ValueId operand : node.operands) {
    if (operand == kNoValue || g.values[operand].node == kNoNode) continue;
    const Node& producer = g.nodes[g.values[operand].node];
    if (producer.op == &weight_op()) return stem(g.weights[producer.decl]);
  }
  return to_name(node.op->name);
}

}  // namespace

Draft::Draft() {
  g.regions.emplace_back();
  scopes.emplace_back();
}

void Draft::check_open(std::string_view what, Location at) const {
  if (built) fail_at(at, kInvalid, "[{}] the graph is built and cannot change any more", what);
}

void Draft::check_name(std::string_view what, std::string_view name, Location at) const {
  check_open(what, at);
  if (!is_name(name))
    fail_at(at, kInvalid, "[{}] '{}' is no name: use letters, digits and _, and no word of the graph language", what,
            name);
}

std::string Draft::unique_name(std::string_view wanted) {
  if (names_.try_emplace(std::string(wanted)).second) return std::string(wanted);
  const std::string base(base_name(wanted));
  int& next = names_[base].next;
  for (;;) {
    std::string name = fmt::format("{}.{}", base, std::max(next, 1));
    next = std::max(next, 1) + 1;
    if (names_.try_emplace(name).second) return name;
  }
}

std::string Draft::describe(ValueId value) const { return openinfer::describe(g, value); }

Dim Draft::declare_dim(std::string_view name, std::int64_t min, std::int64_t max, Location at) {
  check_name("dim", name, at);
  constexpr std::int64_t kLargest = std::int64_t{1} << 40;
  if (min < 0 || min > max || max > kLargest)
    fail_at(at, kInvalid, "[dim] '{}' is bounded by [{}, {}]; 0 <= min <= max <= 2^40 is needed", name, min, max);
  const DimDecl decl{std::string(name), min, max};
  const auto known = find_named(g.dims, name, &DimDecl::name);
  if (known == g.dims.end())
    g.dims.push_back(decl);
  else if (*known != decl)
    fail_at(at, kInvalid, "[dim] '{}' is declared with [{}, {}] and with [{}, {}]", name, known->min, known->max, min,
            max);
  return Dim::symbol(name);
}

ValueId Draft::add_input(std::string_view name, TensorType type, Location at) {
  check_name("input", name, at);
  if (scopes.size() > 1) fail_at(at, kInvalid, "[input] '{}' is declared inside a loop or branch", name);
  if (std::find(g.inputs.begin(), g.inputs.end(), name) != g.inputs.end() || names_.contains(name))
    fail_at(at, kInvalid, "[input] the name '{}' is taken", name);
  if (info(type.dtype).block_size != 1)
    fail_at(at, ErrorCode::dtype_mismatch, "[input] '{}' cannot be {}: inputs have plain dtypes", name,
            openinfer::name(type.dtype));
  const ValueId value = new_value(unique_name(name), std::move(type), kTopRegion, kNoNode);
  g.inputs.emplace_back(name);
  g.regions[kTopRegion].arguments.push_back(value);
  return value;
}

int Draft::declare_state(std::string_view name, StateSpec spec, Location at) {
  check_name("state", name, at);
  if (find_named(g.states, name, &StateDecl::name) != g.states.end())
    fail_at(at, kInvalid, "[state] '{}' is declared twice", name);
  if (info(spec.dtype).block_size != 1)
    fail_at(at, ErrorCode::dtype_mismatch, "[state] '{}' cannot be {}: states have plain dtypes", name,
            openinfer::name(spec.dtype));
  if (spec.kind == StateSpec::Kind::kv_cache && (!is_float(spec.dtype) || spec.shape.size() != 5))
    fail_at(at, kInvalid, "[state] '{}': a kv_cache has a float dtype and five sizes, not {}", name, spec.to_string());
  g.states.push_back({std::string(name), std::move(spec)});
  const int state = static_cast<int>(g.states.size()) - 1;
  scopes.front().tokens.push_back(new_token(state, kTopRegion, kNoNode));
  return state;
}

int Draft::declare_constant(std::string_view name, Tensor tensor, Location at) {
  check_name("constant", name, at);
  const auto known = find_named(g.constants, name, &ConstantDecl::name);
  const bool gives_way =
      known != g.constants.end() && unnamed_constants_.contains(static_cast<std::size_t>(known - g.constants.begin()));
  if (known != g.constants.end() && !gives_way) fail_at(at, kInvalid, "[constant] '{}' is declared twice", name);
  if (info(tensor.dtype()).block_size != 1)
    fail_at(at, ErrorCode::dtype_mismatch, "[constant] '{}' cannot be {}: constants have plain dtypes", name,
            openinfer::name(tensor.dtype()));
  const std::string own(name);  // it may be the other's
  if (gives_way) known->name = free_constant_name();
  g.constants.push_back({own, std::move(tensor)});
  return static_cast<int>(g.constants.size()) - 1;
}

int Draft::declare_constant(Tensor tensor, Location at) {
  const int decl = declare_constant(free_constant_name(), std::move(tensor), at);
  unnamed_constants_.insert(static_cast<std::size_t>(decl));
  return decl;
}

std::string Draft::free_constant_name() const {
  for (std::size_t number = g.constants.size();; ++number) {
    std::string name = fmt::format("c{}", number);
    if (find_named(g.constants, name, &ConstantDecl::name) == g.constants.end()) return name;
  }
}

int Draft::declare_weight(WeightDecl decl, Location at) {
  check_open("weight", at);
  const auto known = find_named(g.weights, decl.pattern, &WeightDecl::pattern);
  if (known == g.weights.end()) {
    g.weights.push_back(std::move(decl));
    return static_cast<int>(g.weights.size()) - 1;
  }
  if (known->shape != decl.shape || known->ranges.size() != decl.ranges.size())
    fail_at(at, ErrorCode::shape_mismatch, "[weight] @{} is declared as {} and as {}", decl.pattern,
            to_string(known->shape), to_string(decl.shape));
  for (std::size_t i = 0; i < decl.ranges.size(); ++i) {
    known->ranges[i].first = std::min(known->ranges[i].first, decl.ranges[i].first);
    known->ranges[i].second = std::max(known->ranges[i].second, decl.ranges[i].second);
  }
  known->dtypes.insert(known->dtypes.end(), decl.dtypes.begin(), decl.dtypes.end());
  std::sort(known->dtypes.begin(), known->dtypes.end());
  known->dtypes.erase(std::unique(known->dtypes.begin(), known->dtypes.end()), known->dtypes.end());
  return static_cast<int>(known - g.weights.begin());
}

void Draft::add_output(std::string_view name, ValueId value, Location at) {
  check_name("output", name, at);
  if (scopes.size() > 1) fail_at(at, kInvalid, "[output] '{}' is declared inside a loop or branch", name);
  if (find_named(g.outputs, name, &OutputDecl::name) != g.outputs.end())
    fail_at(at, kInvalid, "[output] '{}' is declared twice", name);
  check_plain(value, "output", at);
  g.outputs.push_back({std::string(name), value});
}

ValueId Draft::new_value(std::string name, TensorType type, RegionId region, NodeId node) {
  ValueInfo value;
  if (!name.empty()) ++names_[name].carriers;
  value.name = std::move(name);
  value.type = std::move(type);
  value.region = region;
  value.node = node;
  g.values.push_back(std::move(value));
  return static_cast<ValueId>(g.values.size() - 1);
}

ValueId Draft::new_token(int state, RegionId region, NodeId node) {
  const ValueId token = new_value({}, {}, region, node);
  g.values[token].state = state;
  return token;
}

NodeId Draft::append(Node node) {
  g.nodes.push_back(std::move(node));
  const auto id = static_cast<NodeId>(g.nodes.size() - 1);
  g.regions[scopes.back().region].nodes.push_back(id);
  return id;
}

std::vector<ValueId> Draft::append_leaf(Node node, TensorType type, std::vector<DType> dtypes) {
  const NodeId id = append(std::move(node));
  const ValueId value = new_value({}, std::move(type), scopes.back().region, id);
  g.values[value].dtypes = std::move(dtypes);
  return g.nodes[id].results = {value};
}

ValueId Draft::add_weight(int decl, std::vector<ValueId> loop_indices, std::vector<Affine> index, Location at) {
  check_open("weight", at);
  for (ValueId i : loop_indices) check_usable(i, "weight", at);
  Node node{.op = &weight_op(), .operands = std::move(loop_indices), .decl = decl, .index = std::move(index), .at = at};
  const WeightDecl& w = g.weights.at(decl);
  return append_leaf(std::move(node), {w.dtypes.front(), w.shape}, w.dtypes)[0];
}

ValueId Draft::add_constant(int decl, std::vector<ValueId> loop_indices, std::vector<Affine> index, Location at) {
  check_open("constant", at);
  const Tensor& tensor = g.constants.at(decl).tensor;
  Shape shape(tensor.shape().begin(), tensor.shape().end());
  if (!index.empty()) {
    const std::string& name = g.constants[decl].name;
    if (shape.empty()) fail_at(at, kInvalid, "[table] #{} is a scalar and takes no index", name);
    std::pair<std::int64_t, std::int64_t> range = {0, 1};
    if (!loop_indices.empty()) {
      check_usable(loop_indices[0], "table", at);
      const auto loop = loop_range(loop_indices[0]);
      if (!loop)
        fail_at(at, kInvalid, "[table] #{} is indexed by {}, which is no loop's index", name,
                describe(loop_indices[0]));
      range = *loop;
    }
    const std::int64_t first = checked_add(checked_multiply(range.first, index[0].scale), index[0].offset);
    const std::int64_t last = checked_add(checked_multiply(range.second - 1, index[0].scale), index[0].offset);
    if (range.first < range.second && (std::min(first, last) < 0 || std::max(first, last) >= shape[0].constant()))
      fail_at(at, kInvalid, "[table] #{} has {} entries and entry {} is asked for", name, shape[0].constant(),
              std::min(first, last) < 0 ? std::min(first, last) : std::max(first, last));
    shape.erase(shape.begin());
  }
  Node node{
      .op = &constant_op(), .operands = std::move(loop_indices), .decl = decl, .index = std::move(index), .at = at};
  return append_leaf(std::move(node), {tensor.dtype(), std::move(shape)}, {})[0];
}

ValueId Draft::add_literal(Number number, DType dtype, Location at) {
  check_open("literal", at);
  check_literal(number, dtype, at);
  Node node{.op = &literal_op(), .at = at};
  node.literal = number;
  return append_leaf(std::move(node), {dtype, {}}, {})[0];
}

DType Draft::literal_dtype(const OpDef& op, const GraphData& g, std::span<const ValueId> operands, std::size_t which,
                           const Number& number) {
  const auto shares = [&](std::size_t i) { return op.operands[std::min(i, op.operands.size() - 1)].shares_dtype; };
  if (shares(which)) {
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (operands[i] == kNoValue || !shares(i) || g.values[operands[i]].state >= 0) continue;
      const DType dtype = g.values[operands[i]].type.dtype;
      return info(dtype).block_size == 1 ? dtype : DType::f32;
    }
  }
  return std::holds_alternative<double>(number) ? DType::f32 : DType::i32;
}

void Draft::check_usable(ValueId value, std::string_view op, Location at) const {
  if (value >= g.values.size()) fail_at(at, kInvalid, "[{}] an operand is empty: it was never given a value", op);
  const RegionId region = g.values[value].region;
  if (std::any_of(scopes.begin(), scopes.end(), [&](const Scope& s) { return s.region == region; })) return;
  const NodeId owner = g.regions[region].owner;
  const bool branch = owner == kNoNode || g.nodes[owner].op == &cond_op();
  fail_at(at, kInvalid, "[{}] {} lives inside a {} that has ended; return it from the body to carry it out", op,
          describe(value), branch ? "branch" : "loop");
}

void Draft::check_plain(ValueId value, std::string_view op, Location at) const {
  check_usable(value, op, at);
  const ValueInfo& v = g.values[value];
  if (!is_plain(v))
    fail_at(at, ErrorCode::dtype_mismatch, "[{}] {} is stored as {}; cast it to f32 first", op, describe(value),
            v.dtypes.size() > 1 ? "several dtypes" : name(v.type.dtype));
}

/// A view of a state (kv_read) shows the memory that the next write changes.
void Draft::check_fresh_views(const OpDef& op, std::span<const ValueId> operands, Location at) const {
  for (ValueId operand : operands) {
    const ValueId view = operand == kNoValue ? kNoValue : shown_view(g, operand);
    if (view == kNoValue) continue;
    const ValueId seen = g.nodes[g.values[view].node].operands.back();
    const int state = g.values[seen].state;
    for (const Scope& scope : scopes)
      if (scope.region == g.values[view].region && scope.tokens[state] != seen)
        fail_at(at, kInvalid, "[{}] {} was read before a later write to ${}; read it again", op.name, describe(operand),
                g.states[state].name);
  }
}

/// infer(); the error of a dtype names members of families that have several.
std::vector<TensorType> Draft::types_of(const Node& node) const try {
  return infer(g, node);
} catch (const Error& error) {
  std::string members;
  for (const ValueId v : node.operands) {
    if (v == kNoValue || g.values[v].dtypes.size() < 2) continue;
    const auto found = mixed_families.find(g.weights[g.nodes[g.values[v].node].decl].pattern);
    if (found != mixed_families.end()) members += (members.empty() ? "; " : ", ") + found->second;
  }
  if (error.code() != ErrorCode::dtype_mismatch || members.empty()) throw;
  throw Error(error.code(), error.message() + members, node.at);
}

std::vector<ValueId> Draft::add_node(const OpDef& op, std::vector<ValueId> operands, Attributes attributes, int state,
                                     hints hint, Location at, std::span<const std::string> names) {
  check_open(op.name, at);
  for (ValueId v : operands)
    if (v != kNoValue) check_usable(v, op.name, at);
  check_fresh_views(op, operands, at);
  const StateUse use = op.traits.state;
  if ((use != StateUse::none) != (state >= 0))
    fail_at(at, kInvalid, "[{}] {}", op.name, state >= 0 ? "takes no state" : "needs a state");
  if (use != StateUse::none) operands.push_back(token(state));
  Node node{.op = &op,
            .operands = std::move(operands),
            .attributes = std::move(attributes),
            .hint = std::move(hint),
            .at = at};
  auto types = types_of(node);
  const std::string wanted = node.hint.name.empty() ? default_name(g, node) : node.hint.name;
  check_name(op.name, wanted, at);
  node.hint.name.clear();
  const NodeId id = append(std::move(node));
  std::vector<ValueId> results;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool named = i < names.size() && !names[i].empty();
    if (named) check_name(op.name, names[i], at);
    results.push_back(new_value(unique_name(named ? names[i] : wanted), std::move(types[i]), scopes.back().region, id));
  }
  g.nodes[id].results = results;
  if (use == StateUse::write) {
    scopes.back().tokens[state] = new_token(state, scopes.back().region, id);
    g.nodes[id].results.push_back(scopes.back().tokens[state]);
  }
  return results;
}

void Draft::add_hint(ValueId value, const hints& hint, Location at) {
  check_open("hints", at);
  const ValueInfo& v = g.values.at(value);
  if (v.node == kNoNode)
    fail_at(at, kInvalid, "[hints] {} is an input, not the result of an operator", describe(value));
  Node& node = g.nodes[v.node];
  if (!node.regions.empty() && (hint.fuse || !hint.variant.empty() || !hint.tile.empty()))
    fail_at(at, kInvalid, "[hints] {} comes out of a loop or branch, which takes no hint but a name", describe(value));
  check_hint(*node.op, hint, at);
  if (!hint.name.empty()) rename(value, hint.name, at);
  if (hint.fuse) node.hint.fuse = hint.fuse;
  if (!hint.variant.empty()) node.hint.variant = hint.variant;
  if (!hint.tile.empty()) node.hint.tile = hint.tile;
}

/// A loop's result and its body's argument share one name.
ValueId Draft::loop_twin(ValueId result) const {
  const NodeId n = g.values[result].node;
  if (n == kNoNode || g.nodes[n].op != &loop_op()) return kNoValue;
  const auto& results = g.nodes[n].results;
  return g.regions[g.nodes[n].regions[0]]
      .arguments[std::find(results.begin(), results.end(), result) - results.begin() + 1];
}

void Draft::rename(ValueId value, std::string_view name, Location at) {
  check_name("name", name, at);
  if (g.values.at(value).name.empty()) fail_at(at, kInvalid, "[name] {} cannot be named", describe(value));
  const ValueId twin = loop_twin(value);
  let_go(g.values[value].name);
  if (twin != kNoValue) let_go(g.values[twin].name);
  const std::string now = unique_name(name);
  names_[now].carriers = twin == kNoValue ? 1 : 2;
  g.values[value].name = now;
  if (twin != kNoValue) g.values[twin].name = now;
}

void Draft::let_go(std::string_view name) {
  const auto taken = names_.find(name);
  if (--taken->second.carriers == 0) names_.erase(taken);
}

}  // namespace openinfer
