// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/builder.h"

#include <algorithm>
#include <map>

#include "lib/base/checked.h"
#include "lib/graph/draft.h"
#include "lib/graph/invalid.h"
#include "lib/graph/verify.h"

namespace openinfer {
namespace {

/// The {} of a weight's pattern, numbers filled in and loops' indices left as {} with their ranges.
struct Family {
  std::string pattern;
  std::vector<ValueId> loop_indices;
  std::vector<Affine> index;
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;       // half-open, of scale·l + offset
  std::map<ValueId, std::pair<std::int64_t, std::int64_t>> turns;  // of each loop that is named, however often
};

std::pair<std::int64_t, std::int64_t> range_of(const Draft& draft, const Weight& weight, const Index& i) {
  const auto loop = draft.loop_range(i.loop_index());
  if (!loop) fail_at(weight.at, kInvalid, "[weight] an index of \"{}\" is no loop's index", weight.pattern);
  if (loop->first == loop->second) return {0, 0};
  const std::int64_t a = checked_add(checked_multiply(loop->first, i.scale()), i.offset());
  const std::int64_t b = checked_add(checked_multiply(loop->second - 1, i.scale()), i.offset());
  return {std::min(a, b), std::max(a, b) + 1};
}

Family resolve_pattern(const Draft& draft, const Weight& weight) {
  Family family;
  std::size_t next = 0;
  for (std::size_t i = 0; i < weight.pattern.size(); ++i) {
    if (weight.pattern.compare(i, 2, "{}") != 0) {
      family.pattern += weight.pattern[i];
      continue;
    }
    if (next == weight.indices.size())
      fail_at(weight.at, kInvalid, "[weight] \"{}\" has more {{}} than indices", weight.pattern);
    const Index& index = weight.indices[next++];
    check_index(index, weight.at);
    if (!index.draft()) {
      family.pattern += std::to_string(index.offset());
    } else {
      if (index.draft().get() != &draft)
        fail_at(weight.at, kInvalid, "[weight] an index of \"{}\" belongs to another graph", weight.pattern);
      family.pattern += "{}";
      family.loop_indices.push_back(index.loop_index());
      family.index.push_back({index.scale(), index.offset()});
      family.ranges.push_back(range_of(draft, weight, index));
      family.turns.emplace(index.loop_index(), *draft.loop_range(index.loop_index()));
    }
    ++i;
  }
  if (next != weight.indices.size())
    fail_at(weight.at, kInvalid, "[weight] \"{}\" has {} {{}} and {} indices", weight.pattern, next,
            weight.indices.size());
  return family;
}

/// The key of the member that the loops name in that turn of each.
std::string key_in(const Family& family, const std::map<ValueId, std::int64_t>& turn) {
  std::string key;
  std::size_t from = 0;
  for (std::size_t place = 0; place < family.index.size(); ++place) {
    const std::size_t at = family.pattern.find("{}", from);
    const Affine& index = family.index[place];
    key += family.pattern.substr(from, at - from);
    key += std::to_string(index.scale * turn.at(family.loop_indices[place]) + index.offset);
    from = at + 2;
  }
  return key + family.pattern.substr(from);
}

/// Calls f with the key of every member that the loops name.
template <class F>
void for_each_key(const Family& family, const F& f) {
  std::map<ValueId, std::int64_t> turn;
  for (const auto& [loop, range] : family.turns) turn[loop] = range.first;
  const auto next = [&] {  // counts on, the last loop fastest
    for (auto loop = family.turns.rbegin(); loop != family.turns.rend(); ++loop) {
      if (++turn[loop->first] < loop->second.second) return true;
      turn[loop->first] = loop->second.first;
    }
    return false;
  };
  do f(key_in(family, turn));
  while (next());
}

WeightDecl declare_family(Draft& draft, const Weight& weight, const Family& family) {
  std::int64_t count = 1;
  for (const auto& [loop, range] : family.turns) count = checked_multiply(count, range.second - range.first);
  if (count > kMaxFamily) fail_at(weight.at, kInvalid, "[weight] \"{}\" would have {} members", weight.pattern, count);
  if (count == 0)
    fail_at(weight.at, kInvalid, "[weight] the loop that indexes \"{}\" never turns, so that no member is named",
            weight.pattern);
  WeightDecl decl{family.pattern, family.ranges, {}, {}};
  std::string first;
  std::map<DType, std::string> member;  // the first of each dtype
  for_each_key(family, [&](const std::string& key) {
    const TensorInfo tensor = weight.model->tensor({key, At(weight.at.file, weight.at.line)});
    member.try_emplace(tensor.dtype, key);
    const Shape shape(tensor.shape.begin(), tensor.shape.end());
    if (first.empty()) first = key, decl.shape = shape;
    if (shape != decl.shape)
      fail_at(weight.at, ErrorCode::shape_mismatch, "[weight] a family has one shape: \"{}\" is {} and \"{}\" is {}",
              first, to_string(decl.shape), key, to_string(shape));
    decl.dtypes.push_back(tensor.dtype);
  });
  std::sort(decl.dtypes.begin(), decl.dtypes.end());
  decl.dtypes.erase(std::unique(decl.dtypes.begin(), decl.dtypes.end()), decl.dtypes.end());
  std::vector<std::string> texts;
  for (const auto& [dtype, key] : member) texts.push_back(fmt::format("\"{}\" is {}", key, name(dtype)));
  if (texts.size() > 1) draft.mixed_families[decl.pattern] = fmt::format("{}", fmt::join(texts, ", "));
  return decl;
}

/// The key pattern of what belongs to each member of a family: the member's key in the name, or one for all.
std::string pattern_beside(const Weight& weight, const Family& family, const std::string& key,
                           std::string_view beside) {
  std::string pattern(beside);
  if (family.ranges.empty()) return pattern;
  const std::size_t place = pattern.find(key);
  if (place == pattern.npos)
    fail_at(weight.at, ErrorCode::unsupported,
            "[weight] \"{}\" is quantised by \"{}\": in a family the name of a scale has that of its tensor in it", key,
            beside);
  return pattern.replace(place, key.size(), family.pattern);
}

/// The quantisation of the weight with patterns for keys, the same for all members; nothing if it has none.
struct FamilyQuantisation {
  std::string scale, zero;  // zero may be empty
  std::int64_t axis = 0, group = 0;
  bool operator==(const FamilyQuantisation&) const = default;
};
std::optional<FamilyQuantisation> quantisation_of(const Weight& weight, const Family& family) {
  std::optional<FamilyQuantisation> all;
  std::string first;
  for_each_key(family, [&](const std::string& key) {
    std::optional<FamilyQuantisation> own;
    if (const auto q = weight.model->tensor({key, At(weight.at.file, weight.at.line)}).quantisation)
      own = {pattern_beside(weight, family, key, q->scale),
             q->zero.empty() ? std::string() : pattern_beside(weight, family, key, q->zero), q->axis, q->group};
    if (first.empty()) first = key, all = own;
    if (own != all)
      fail_at(weight.at, ErrorCode::unsupported, "[weight] a family is quantised in one way: \"{}\" and \"{}\" differ",
              first, key);
  });
  return all;
}

ValueId add_family(Draft& draft, const Weight& weight, Family family) {
  const int decl = draft.declare_weight(declare_family(draft, weight, family), weight.at);
  return draft.add_weight(decl, std::move(family.loop_indices), std::move(family.index), weight.at);
}

ValueId add_weight(Draft& draft, Weight weight, Location at) {
  weight.at = at;
  if (!weight.model) fail_at(weight.at, kInvalid, "[weight] \"{}\" belongs to no model", weight.pattern);
  if (!draft.g.model) draft.g.model = *weight.model;
  if (!(*draft.g.model == *weight.model))
    fail_at(weight.at, kInvalid, "[weight] \"{}\" belongs to another model than the graph", weight.pattern);
  const Family family = resolve_pattern(draft, weight);
  const ValueId stored = add_family(draft, weight, family);
  const std::optional<FamilyQuantisation> q = quantisation_of(weight, family);
  if (!q) return stored;
  const auto beside = [&](const std::string& pattern) {
    if (pattern.empty()) return kNoValue;
    Family own = family;
    own.pattern = pattern;
    if (pattern.find("{}") == pattern.npos) own.loop_indices = {}, own.index = {}, own.ranges = {}, own.turns = {};
    return add_family(draft, weight, std::move(own));
  };
  const ValueId scale = beside(q->scale), zero = beside(q->zero);
  Attributes attributes;
  if (q->axis != 0) attributes.set("axis", q->axis);
  if (q->group != 0) attributes.set("group", q->group);
  return draft.add_node(*OpSet::builtin().find("affine"), {stored, scale, zero}, std::move(attributes), -1, {}, at)[0];
}

/// scale·l + offset as nodes on i32 scalars.
ValueId add_index(Draft& draft, const Index& index, Location at) {
  check_index(index, at);
  if (!index.draft()) return draft.add_literal(index.offset(), DType::i32, at);
  if (index.draft().get() != &draft) fail_at(at, kInvalid, "[index] a loop's index belongs to another graph");
  ValueId value = index.loop_index();
  const auto combine = [&](std::string_view op, std::int64_t number) {
    const ValueId literal = draft.add_literal(number, DType::i32, at);
    value = draft.add_node(*OpSet::builtin().find(op), {value, literal}, {}, -1, {}, at)[0];
  };
  if (index.scale() != 1) combine("mul", index.scale());
  if (index.offset() != 0) combine("add", index.offset());
  return value;
}

std::shared_ptr<Draft> draft_of(const In& operand) {
  if (const auto* value = std::get_if<Value>(&operand.operand())) return value->draft();
  if (const auto* index = std::get_if<Index>(&operand.operand())) return index->draft();
  return nullptr;
}

/// What `make` gives; where it throws, the graph is as it was before, and so is the place where nodes go.
template <class F>
std::vector<Value> whole_or_nothing(Draft& draft, const F& make) {
  const Draft::Mark before = draft.mark();
  try {
    return make();
  } catch (...) {
    draft.undo(before);
    throw;
  }
}

}  // namespace

void check_kept(const Value& value, std::string_view op, Location at) {
  if (value) value.draft()->check_kept(&Draft::Mark::values, value.id(), value.undone(), op, at);
}

void check_kept(const Index& index, std::string_view op, Location at) {
  if (index.draft()) index.draft()->check_kept(&Draft::Mark::values, index.loop_index(), index.undone(), op, at);
}

void check_kept(const State& state, std::string_view op, Location at) {
  const auto decl = static_cast<std::size_t>(state.decl());
  state.draft()->check_kept(&Draft::Mark::states, decl, state.undone(), op, at);
}

void check_index(const Index& index, Location at) {
  check_kept(index, "index", at);
  if (index.is_beyond()) fail_at(at, kInvalid, "[index] arithmetic on this index went beyond 2^40");
}

std::shared_ptr<Draft> draft_of(std::string_view op, const std::vector<OptionalIn>& operands, const ApplyTo& where,
                                Location at) {
  std::shared_ptr<Draft> draft = where.draft ? where.draft : where.state ? where.state->draft() : nullptr;
  if (where.state) check_kept(*where.state, op, at);
  for (const auto& operand : operands) {
    if (!operand) continue;
    const auto kept = [&](const auto& handle) { check_kept(handle, op, operand->at()); };
    if (const auto* value = std::get_if<Value>(&operand->operand())) kept(*value);
    if (const auto* index = std::get_if<Index>(&operand->operand())) kept(*index);
    if (const auto* value = std::get_if<Value>(&operand->operand()); value && !*value)
      fail_at(at, kInvalid, "[{}] an operand is an empty Value: it was never given one", op);
    const auto own = draft_of(*operand);
    if (!own) continue;
    if (draft && own != draft) {
      const auto* value = std::get_if<Value>(&operand->operand());
      fail_at(operand->at(), kInvalid, "[{}] operand {} belongs to another graph", op,
              value && !own->built ? own->describe(value->id()) : "of this call");
    }
    draft = own;
  }
  if (!draft)
    fail_at(at, kInvalid,
            "[{}] none of the operands belongs to a graph: turn one into a value with GraphBuilder::value(…)", op);
  draft->check_open(op, at);
  return draft;
}

ValueId to_value(Draft& draft, const In& operand) {
  if (const auto* value = std::get_if<Value>(&operand.operand())) return value->id();
  if (const auto* weight = std::get_if<Weight>(&operand.operand())) return add_weight(draft, *weight, operand.at());
  if (const auto* index = std::get_if<Index>(&operand.operand())) return add_index(draft, *index, operand.at());
  const auto& number = std::get<Literal>(operand.operand()).value;
  return draft.add_literal(number, std::holds_alternative<double>(number) ? DType::f32 : DType::i32, operand.at());
}

GraphBuilder::GraphBuilder() : draft_(std::make_shared<Draft>()) {}
GraphBuilder::GraphBuilder(const Model& model) : GraphBuilder() { draft_->g.model = model; }

Dim GraphBuilder::dim(std::string_view name, At at) {
  const auto known = draft_->g.model ? draft_->g.model->find_dim(name) : std::nullopt;
  if (known) return draft_->declare_dim(name, known->min, known->max, at);
  return draft_->declare_dim(name, 0, (std::int64_t{1} << 31) - 1, at);
}

Dim GraphBuilder::dim(std::string_view name, std::int64_t min, std::int64_t max, At at) {
  return draft_->declare_dim(name, min, max, at);
}

Value GraphBuilder::input(std::string_view name, DType dtype, Shape shape, At at) {
  return {draft_, draft_->add_input(name, {dtype, std::move(shape)}, at)};
}

State GraphBuilder::state(std::string_view name, StateSpec spec, At at) {
  return {draft_, draft_->declare_state(name, std::move(spec), at)};
}

Value GraphBuilder::constant(Tensor tensor, At at) {
  return {draft_, draft_->add_constant(draft_->declare_constant(std::move(tensor), at), {}, {}, at)};
}

Value GraphBuilder::constant(std::string_view name, Tensor tensor, At at) {
  return {draft_, draft_->add_constant(draft_->declare_constant(name, std::move(tensor), at), {}, {}, at)};
}

Table GraphBuilder::add_table(std::string_view name, Tensor values, At at) {
  return {draft_, draft_->declare_constant(name, std::move(values), at)};
}

Value GraphBuilder::value(const In& operand) {
  draft_of("value", {operand}, {.draft = draft_}, operand.at());
  return {draft_, to_value(*draft_, operand)};
}

std::vector<Value> GraphBuilder::add_loop(std::string_view name, std::int64_t from, std::int64_t to,
                                          const std::vector<In>& init, const detail::LoopBody& body, Location at) {
  std::vector<OptionalIn> operands(init.begin(), init.end());
  draft_of("loop", operands, {.draft = draft_}, at);
  std::vector<ValueId> ids;
  for (const In& v : init) ids.push_back(to_value(*draft_, v));
  return whole_or_nothing(*draft_, [&] {
    auto loop = draft_->begin_loop(name, from, to, ids, {}, at);
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < loop.arguments.size(); ++i) arguments.emplace_back(draft_, loop.arguments[i]);
    const std::vector<In> next = body(Index(draft_, loop.arguments[0]), arguments);
    draft_of("loop", {next.begin(), next.end()}, {.draft = draft_}, at);
    std::vector<ValueId> next_ids;
    for (const In& v : next) next_ids.push_back(to_value(*draft_, v));
    std::vector<Value> results;
    for (ValueId id : draft_->end_loop(std::move(loop), next_ids)) results.emplace_back(draft_, id);
    return results;
  });
}

std::vector<Value> GraphBuilder::add_cond(const In& predicate, const detail::Branch& then_body,
                                          const detail::Branch& else_body, Location at) {
  draft_of("cond", {predicate}, {.draft = draft_}, at);
  return whole_or_nothing(*draft_, [&] {
    auto cond = draft_->begin_cond(to_value(*draft_, predicate), at);
    for (const detail::Branch* body : {&then_body, &else_body}) {
      draft_->begin_branch(cond);
      const std::vector<In> values = (*body)();
      draft_of("cond", {values.begin(), values.end()}, {.draft = draft_}, at);
      std::vector<ValueId> ids;
      for (const In& v : values) ids.push_back(to_value(*draft_, v));
      draft_->end_branch(cond, ids);
    }
    std::vector<Value> results;
    for (ValueId id : draft_->end_cond(std::move(cond), {})) results.emplace_back(draft_, id);
    return results;
  });
}

void GraphBuilder::output(std::string_view name, const In& value, At at) {
  draft_of("output", {value}, {.draft = draft_}, at);
  draft_->add_output(name, to_value(*draft_, value), at);
}

Graph GraphBuilder::build(At at) {
  auto data = draft_->finish(at);
  located(at, [&] { verify(*data); });
  return Graph(std::move(data));
}

}  // namespace openinfer
