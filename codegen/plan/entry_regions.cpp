// SPDX-License-Identifier: Apache-2.0
// Regions: what runs in which order, loops that stay loops, branches.
#include <algorithm>
#include <numeric>
#include <tuple>

#include "codegen/kernels/product.h"
#include "codegen/plan/alike.h"
#include "codegen/plan/entry_lowering.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/moves.h"
#include "codegen/plan/tail.h"
#include "lib/base/fail.h"
#include "lib/graph/infer.h"
#include "lib/passes/fused_group.h"

namespace openinfer::plan {
namespace {

/// A kernel for each signature is a letter in what is emitted, and each turn of the loops around has one.
constexpr std::size_t kMostVariants = 26;
constexpr std::int64_t kMostTurns = 1'000'000;

bool is_structure(const Node& n) { return n.op == &loop_op() || n.op == &cond_op(); }

FusedGroup alone(RegionId region, NodeId node) {
  FusedGroup item;
  item.region = region;
  item.nodes = {node};
  return item;
}

std::int64_t bound_of(const Node& loop, std::string_view which) {
  return std::get<std::int64_t>(*loop.attributes.find(which));
}

}  // namespace

EntryLowering::EntryLowering(const GraphData& g, const PlanOptions& options, const std::vector<LayoutChoice>& layouts,
                             const EntrySpec& entry, Plan& plan)
    : g_(g),
      options_(options),
      layouts_(layouts),
      entry_(entry),
      plan_(plan),
      places_(g.values.size()),
      uses_(g.values.size()),
      all_uses_(g),
      plain_target_(kernels::with_one_grid(options.target)) {
  for (const Buffer& b : plan_.buffers)
    if (b.role != Role::scratch) names_.insert(b.name);
  for (const DimDecl& d : g.dims) bounds_[d.name] = {d.min, d.max};
  for (const auto& [name, range] : entry.dims) {
    const auto known = bounds_.find(name);
    if (known == bounds_.end())
      fail(ErrorCode::invalid_argument, "[plan] entry point {}: the graph has no dimension '{}'", entry.name, name);
    if (range.first > range.second || range.first < known->second.first || range.second > known->second.second)
      fail(ErrorCode::invalid_argument, "[plan] entry point {}: {} in [{}, {}] is outside the graph's [{}, {}]",
           entry.name, name, range.first, range.second, known->second.first, known->second.second);
    known->second = range;
  }
  for (const RowBound& bound : row_bounds(g)) keep_rows_to_slots(bound);
  for (const Node& n : g.nodes)
    for (const ValueId v : n.operands)
      if (v != kNoValue) ++uses_[v];
  for (const Region& r : g.regions)
    for (const ValueId v : r.results) ++uses_[v];
}

void EntryLowering::keep_rows_to_slots(const RowBound& bound) {
  const std::int64_t rows = range(bound.rows).first, slots = range(bound.slots).second;
  if (rows > slots && !(bound.rows == bound.slots))
    fail_at(bound.at, ErrorCode::unsupported,
            "[sdpa] entry point {}: row {} of at least {} has no slot of its own: the cache has {}; give pos and slot",
            entry_.name, slots, rows, slots);
  const auto symbol = bounds_.find(lone_symbol(bound.rows));
  if (symbol != bounds_.end() && bound.slots.is_constant())
    symbol->second.second = std::min(symbol->second.second, slots);
}

std::vector<Step> EntryLowering::steps_of(const std::function<void()>& f) {
  std::vector<Step> steps;
  std::vector<Step>* outer = std::exchange(steps_, &steps);
  f();
  steps_ = outer;
  return steps;
}

EntryPoint EntryLowering::run() {
  EntryPoint point = {.name = entry_.name, .symbols = {}, .steps = {}};
  for (const DimDecl& d : g_.dims)
    point.symbols.push_back({d.name, bounds_[d.name].first, limited(d.name, bounds_[d.name].second)});
  const Region& top = g_.top();
  const auto global = [&](Role role, const std::string& key, ValueId value) {
    for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
      if (plan_.buffers[i].role == role && plan_.buffers[i].key == key) return Operand{static_cast<int>(i)};
    const TensorType& t = g_.values[value].type;
    const std::int64_t bytes = Size::count(t.shape).value([&](std::string_view s) {
      for (const DimDecl& d : g_.dims)
        if (d.name == s) return d.max;
      return std::int64_t{0};
    });
    return Operand{new_buffer({.name = unique(key),
                               .role = role,
                               .dtype = t.dtype,
                               .shape = t.shape,
                               .key = key,
                               .max_bytes = bytes * info(t.dtype).block_bytes})};
  };
  for (std::size_t i = 0; i < g_.inputs.size(); ++i)
    places_[top.arguments[i]] = global(Role::input, g_.inputs[i], top.arguments[i]);
  for (const OutputDecl& o : g_.outputs) {
    const Operand place = global(Role::output, o.name, o.value);
    if (may_place(o.value, kTopRegion)) places_[o.value] = place;
  }
  point.steps = steps_of([&] {
    region(kTopRegion);
    group_ = {};
    for (const OutputDecl& o : g_.outputs) {
      if (transposed(o.value)) turn_weight(o.value);
      const Operand from = operand(o.value), to = global(Role::output, o.name, o.value);
      if (from.buffer != to.buffer) copy(from, to, Size::count(g_.values[o.value].type.shape));
    }
    turned_.clear();
  });
  point.int8_products = std::move(int8_products_);
  point.bf16_products = std::move(bf16_products_);
  point.bf16_scores = std::move(bf16_scores_);
  return point;
}

// --- order ---

std::vector<EntryLowering::Item> EntryLowering::items(RegionId id) const {
  std::vector<Item> items;
  std::set<int> groups;
  for (const NodeId n : g_.regions[id].nodes) {
    const Node& node = g_.nodes[n];
    if (is_leaf(node)) continue;
    if (is_structure(node))
      items.push_back(alone(id, n));
    else if (node.fused < 0)
      items.push_back(classify_node(g_, all_uses_, n));
    else if (groups.insert(node.fused).second)
      items.push_back(classify(g_, all_uses_, node.fused));
  }
  return items;
}

/// For each item those that must run before it.
std::vector<std::set<std::size_t>> EntryLowering::dependencies(const std::vector<Item>& items) const {
  std::map<NodeId, std::size_t> item_of;
  for (std::size_t i = 0; i < items.size(); ++i)
    for (const NodeId n : items[i].nodes) item_of[n] = i;
  std::vector<std::set<std::size_t>> needs(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    for (const NodeId n : items[i].nodes)
      for (const NodeId follower : all_uses_.followers(n))
        if (const std::size_t other = item_of.at(follower); other != i) needs[other].insert(i);
  return needs;
}

/// Program order, with each group where its last node may run: a group is convex, so such an order exists.
void EntryLowering::region(RegionId id) {
  reserve_results(id);
  const std::set<Rows> before = rows_there_;  // a loop may have no turns, a branch may not be taken
  const std::vector<Item> all = items(id);
  look_ahead(all);
  const std::vector<std::set<std::size_t>> needs = dependencies(all);
  std::vector<bool> done(all.size());
  for (std::size_t placed = 0; placed < all.size(); ++placed) {
    std::size_t next = all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (done[i] || (next < all.size() && all[next].nodes.back() <= all[i].nodes.back())) continue;
      if (std::all_of(needs[i].begin(), needs[i].end(), [&](std::size_t n) { return done[n]; })) next = i;
    }
    if (next == all.size()) fail(ErrorCode::internal, "[plan] fused groups need each other");
    done[next] = true;
    lower_item(all[next]);
  }
  rows_there_ = before;
}

void EntryLowering::look_ahead(const std::vector<Item>& items) {
  for (const Item& item : items) {
    if (item.kind != FusedGroup::Kind::product) continue;
    group_ = item;
    const std::optional<RowForm> form = rows_of_products(*this);
    for (const NodeId p : item.products) {
      const std::vector<ValueId>& operands = g_.nodes[p].operands;
      // Members that differ in dtype may turn out to need strict kernels, which read the value itself.
      if (form && g_.values[operands[1]].dtypes.size() <= 1) ++readers_of_rows_[{*form, operands[0]}];
    }
  }
  group_ = {};
}

// --- items ---

void EntryLowering::lower_item(const Item& item) {
  const Node& node = g_.nodes[item.nodes.front()];
  if (node.op == &loop_op()) return lower_loop(node);
  if (node.op == &cond_op()) return lower_cond(node);
  if (item.nodes.size() == 1 && !node.results.empty() && is_read_through(node.results[0])) return;
  if (!is_number(item)) lower_group(item);
}

bool EntryLowering::is_number(const Item& item) const {
  return std::all_of(item.nodes.begin(), item.nodes.end(), [&](NodeId n) {
    const std::vector<ValueId>& results = g_.nodes[n].results;
    return results.size() == 1 && g_.values[results[0]].state < 0 && !places_[results[0]] && scalar(results[0]);
  });
}

std::vector<std::map<ValueId, DType>> EntryLowering::signatures(const Item& item,
                                                                std::vector<std::uint8_t>& variant) const {
  std::vector<ValueId> mixed;
  for (const NodeId n : item.nodes)
    for (const ValueId v : g_.nodes[n].operands)
      if (v != kNoValue && g_.values[v].dtypes.size() > 1) mixed.push_back(v);
  if (mixed.empty()) return {{}};
  std::vector<std::map<ValueId, DType>> all;
  std::vector<std::int64_t> turn;
  std::int64_t turns = 1;
  for (const LoopRange& loop : loops_) {
    turn.push_back(loop.from);
    turns *= std::clamp(loop.to - loop.from, std::int64_t{0}, kMostTurns + 1);
    if (turns > kMostTurns)
      unsupported(g_.nodes[item.nodes.front()],
                  fmt::format("weights of several dtypes in loops of more than {} turns in all; give the members of a "
                              "family one dtype",
                              kMostTurns));
  }
  const auto signature = [&] {
    std::map<ValueId, DType> dtypes;
    for (const ValueId v : mixed) dtypes[v] = g_.model->tensor(key(g_.nodes[g_.values[v].node], turn)).dtype;
    const auto known = std::find(all.begin(), all.end(), dtypes);
    variant.push_back(static_cast<std::uint8_t>(known - all.begin()));
    if (known == all.end()) all.push_back(std::move(dtypes));
    if (all.size() > kMostVariants)
      unsupported(g_.nodes[item.nodes.front()],
                  fmt::format("its weights come in more than {} combinations of dtypes; give the members of a family "
                              "one dtype",
                              kMostVariants));
  };
  for (std::int64_t now = 0; now < turns; ++now) {
    signature();
    for (std::size_t i = loops_.size(); i-- > 0;) {  // the innermost turns fastest
      if (++turn[i] < loops_[i].to) break;
      turn[i] = loops_[i].from;
    }
  }
  if (all.size() == 1) variant.clear();
  return all;
}

void EntryLowering::lower_group(const Item& item) {
  std::vector<std::uint8_t> variant;
  group_ = item;
  const std::vector<std::map<ValueId, DType>> all = signatures(item, variant);
  lower_variants(item, all, std::move(variant));
  signature_.clear();
}

std::string EntryLowering::kernel_of(const Item& item) const {
  switch (item.kind) {
    case FusedGroup::Kind::elementwise: return "pointwise";
    case FusedGroup::Kind::product: return "product";
    case FusedGroup::Kind::rope_write: return "rope_write";
    case FusedGroup::Kind::attention: return "attention";
    case FusedGroup::Kind::reduction:
    case FusedGroup::Kind::other: break;
  }
  const std::optional<Lowering> how = openinfer::lower(g_, g_.nodes[item.head]);
  if (!how) unsupported(g_.nodes[item.head], "has no lowering: it runs in the simulator only");
  const auto* request = std::get_if<KernelRequest>(&*how);
  return request ? std::string(request->kernel) : "pointwise";
}

void EntryLowering::turn_weight(ValueId value) {
  const TensorType& type = g_.values[value].type;
  const Operand from = operand(value);
  Shape stored = type.shape;
  std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  std::vector<std::size_t> order(stored.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  const std::string name = name_of(*this, value) + "_turned";
  const Operand to = scratch(name, dtype(value), type.shape);
  // It computes none of the group's nodes.
  std::set<NodeId> left_out = std::exchange(left_out_, {group_.nodes.begin(), group_.nodes.end()});
  dispatch_transpose(*this, from, stored, order, to, dtype(value));
  left_out_ = std::move(left_out);
  Origin& origin = std::get<Dispatch>(steps_->back()).origin;
  origin.nodes = {name + " = transpose"};
  origin.at = {Location{}};
  origin.lines.clear();
  origin.bytes = 2 * elements(type.shape) * info(dtype(value)).block_bytes;
  turned_[value] = to;
}

void EntryLowering::turn_weights(const Item& item, std::string_view kernel) {
  for (const NodeId id : item.nodes) {
    const Node& n = g_.nodes[id];
    for (std::size_t i = 0; i < n.operands.size(); ++i) {
      const ValueId v = n.operands[i];
      if (v == kNoValue || g_.values[v].state >= 0 || n.op->operands.empty()) continue;
      const bool stored = n.op->operands[std::min(i, n.op->operands.size() - 1)].stored;
      if ((stored && kernel != "pointwise") || !transposed(v)) continue;
      if (g_.values[v].dtypes.size() > 1)
        unsupported(n, "a transposed weight in several dtypes is read by products only");
      turn_weight(v);
    }
  }
}

void EntryLowering::lower_variants(const Item& item, const std::vector<std::map<ValueId, DType>>& all,
                                   std::vector<std::uint8_t> variant) {
  const Node& node = g_.nodes[item.nodes.front()];
  const std::string kernel = kernel_of(item);
  if (!lower_function(kernel)) unsupported(node, fmt::format("no kernel template '{}'", kernel));
  const auto before =
      std::tuple(rows_there_, rows_instead_, rows_wanted_, int8_products_, bf16_products_, bf16_scores_);
  const auto kernels = std::ssize(plan_.kernels);
  std::optional<std::vector<Step>> steps = steps_of_all(item, kernel, all);
  if (!steps) {
    std::tie(rows_there_, rows_instead_, rows_wanted_, int8_products_, bf16_products_, bf16_scores_) = before;
    plan_.kernels.erase(plan_.kernels.begin() + kernels, plan_.kernels.end());
    plain_ = true;
    steps = steps_of_all(item, kernel, all);
    plain_ = false;
    if (!steps)
      unsupported(node,
                  "weights of different dtypes that need different dispatches; give the members of a family one dtype");
    for (Step& step : *steps)
      if (auto* d = std::get_if<Dispatch>(&step))
        d->origin.reason += "; strict, without matrix units and tiles: the family's dtypes share no other schedule";
  }
  for (Step& step : *steps) {
    if (auto* d = std::get_if<Dispatch>(&step); d && all.size() > 1) d->variant = variant;
    steps_->push_back(std::move(step));
  }
}

std::optional<std::vector<Step>> EntryLowering::steps_of_all(const Item& item, const std::string& kernel,
                                                             const std::vector<std::map<ValueId, DType>>& all) {
  std::optional<std::vector<Step>> steps;
  const std::set<Rows> before = rows_there_;
  const std::size_t buffers = plan_.buffers.size();
  for (const auto& signature : all) {
    signature_ = signature;
    rows_there_ = before;  // each variant has the same dispatches
    const std::size_t own = plan_.buffers.size();
    std::vector<Step> now = steps_of([&] {
      params_.clear();
      left_out_.clear();
      located(g_.nodes[item.nodes.front()].at, [&] {  // templates know no lines
        turn_weights(item, kernel);
        lower_function(kernel)(*this);
      });
      turned_.clear();
    });
    if (!steps) {
      steps = std::move(now);
      continue;
    }
    if (!Alike(plan_.buffers, buffers, own)(*steps, now)) return std::nullopt;
    for (std::size_t i = 0; i < now.size(); ++i)
      if (auto* d = std::get_if<Dispatch>(&(*steps)[i])) {
        const Dispatch& other = std::get<Dispatch>(now[i]);
        d->kernels.push_back(other.kernels.front());
        if (!(d->columns == other.columns)) d->columns = {};
      }
  }
  if (!steps) steps.emplace();  // of a loop without turns
  return steps;
}

void EntryLowering::lower_alone(NodeId node) {
  const FusedGroup whole = std::exchange(group_, classify_node(g_, all_uses_, node));
  std::set<NodeId> left_out = std::exchange(left_out_, {});
  const std::size_t before = steps_->size();
  const std::string kernel = kernel_of(group_);
  const LowerFunction function = lower_function(kernel);
  if (!function) unsupported(g_.nodes[node], fmt::format("no kernel template '{}'", kernel));
  located(g_.nodes[node].at, [&] { function(*this); });
  group_ = whole;
  if (steps_->size() > before) left_out.insert(node);  // a view has no step: it belongs to who reads it
  left_out_ = std::move(left_out);
}

bool EntryLowering::may_place(ValueId value, RegionId region) const {
  const ValueInfo& v = g_.values[value];
  if (places_[value] || v.region != region || v.node == kNoNode) return false;
  const Node& n = g_.nodes[v.node];
  return !is_leaf(n) && !is_structure(n) && !n.op->traits.view && n.op->traits.state == StateUse::none;
}

/// Values that only start a loop are computed where the loop carries them.
void EntryLowering::reserve_results(RegionId id) {
  for (const NodeId n : g_.regions[id].nodes) {
    const Node& node = g_.nodes[n];
    if (node.op != &loop_op()) continue;
    const Region& body = g_.regions[node.regions[0]];
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      const ValueId init = node.operands[i];
      if (g_.values[init].state >= 0 || uses_[init] != 1 || !may_place(init, id)) continue;
      const ValueId inside = body.arguments[i + 1];
      places_[inside] = new_scratch(inside, g_.values[inside].name);
      places_[init] = places_[inside];
    }
  }
}

void EntryLowering::lower_loop(const Node& node) {
  const RegionId inner = node.regions[0];
  const Region& body = g_.regions[inner];
  const ValueId index = body.arguments[0];
  const std::int64_t from = bound_of(node, "from"), to = bound_of(node, "to");
  group_ = {};
  std::vector<std::pair<ValueId, ValueId>> carried;  // inside, next
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    const ValueId inside = body.arguments[i + 1];
    if (g_.values[inside].state >= 0) continue;
    if (!places_[inside]) {
      const Operand init = operand(node.operands[i]);
      places_[inside] = new_scratch(inside, g_.values[inside].name);
      copy(init, *places_[inside], Size::count(type(inside).shape));
    }
    places_[node.results[i]] = places_[inside];
    if (body.results[i] != inside) carried.emplace_back(inside, body.results[i]);
  }
  Loop loop = {.index = unique(g_.values[index].name), .from = from, .to = to, .body = {}};
  indices_[index] = loop.index;
  bounds_[loop.index] = {from, std::max(from, to - 1)};
  loops_.push_back({loop.index, from, to});
  loop.body = steps_of([&] {
    std::vector<std::pair<int, int>> swaps;
    std::vector<std::pair<Operand, ValueId>> late;
    for (const auto& [inside, next] : carried) {
      const Operand place = new_scratch(inside, "next_" + g_.values[inside].name);
      swaps.emplace_back(places_[inside]->buffer, place.buffer);
      if (may_place(next, inner))
        places_[next] = place;
      else
        late.emplace_back(place, next);
    }
    region(inner);
    group_ = {};
    for (const auto& [place, next] : late) copy(operand(next), place, Size::count(type(next).shape));
    for (const auto& [a, b] : swaps) steps_->push_back(Swap{a, b});
  });
  loops_.pop_back();
  steps_->push_back(std::move(loop));
}

void EntryLowering::lower_cond(const Node& node) {
  group_ = {};
  Branch branch = {.predicate = operand(node.operands[0]), .then = {}, .otherwise = {}};
  std::vector<std::optional<Operand>> results(node.results.size());
  for (std::size_t i = 0; i < node.results.size(); ++i)
    if (g_.values[node.results[i]].state < 0)
      results[i] = places_[node.results[i]] = new_scratch(node.results[i], g_.values[node.results[i]].name);
  const auto arm = [&](RegionId id) {
    return steps_of([&] {
      const Region& r = g_.regions[id];
      for (std::size_t i = 0; i < r.results.size(); ++i)
        if (results[i] && may_place(r.results[i], id)) places_[r.results[i]] = results[i];
      region(id);
      group_ = {};
      for (std::size_t i = 0; i < r.results.size(); ++i) {
        if (!results[i] || operand(r.results[i]).buffer == results[i]->buffer) continue;
        copy(operand(r.results[i]), *results[i], Size::count(type(r.results[i]).shape));
      }
    });
  };
  branch.then = arm(node.regions[0]);
  branch.otherwise = arm(node.regions[1]);
  steps_->push_back(std::move(branch));
}

}  // namespace openinfer::plan
