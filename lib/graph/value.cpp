// SPDX-License-Identifier: Apache-2.0
// The small handles of the DSL and how an operator call becomes a node.
#include <algorithm>

#include "lib/base/fail.h"
#include "lib/graph/builder.h"
#include "lib/graph/draft.h"
#include "lib/graph/invalid.h"

namespace openinfer {
namespace {

const ValueInfo& info_of(const Value& value, Location at) {
  if (!value) fail_at(at, kInvalid, "[value] this Value is empty: it was never given one");
  value.draft()->check_open("value", at);
  check_kept(value, "value", at);
  return value.draft()->g.values.at(value.id());
}

/// Indices stay far inside 64 bits, so that what is made of them cannot overflow.
bool is_far(std::int64_t value) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 40;
  return value < -kLimit || value > kLimit;
}

}  // namespace

TensorType Value::type(At at) const { return info_of(*this, at).type; }
std::string Value::name(At at) const { return info_of(*this, at).name; }

std::uint32_t times_undone(const Draft* draft) { return draft ? static_cast<std::uint32_t>(draft->undone.size()) : 0; }

StateSpec State::spec(At at) const {
  draft_->check_open("state", at);
  check_kept(*this, "state", at);
  return draft_->g.states.at(decl_).spec;
}

Attributes::Attributes(std::initializer_list<std::pair<std::string_view, Attribute>> entries) {
  for (const auto& [name, value] : entries) set(name, value);
}

const Attribute* Attributes::find(std::string_view name) const {
  const auto at =
      std::lower_bound(entries_.begin(), entries_.end(), name, [](const auto& e, auto n) { return e.first < n; });
  return at != entries_.end() && at->first == name ? &at->second : nullptr;
}

void Attributes::set(std::string_view name, Attribute value) {
  const auto at =
      std::lower_bound(entries_.begin(), entries_.end(), name, [](const auto& e, auto n) { return e.first < n; });
  if (at != entries_.end() && at->first == name)
    at->second = std::move(value);
  else
    entries_.emplace(at, std::string(name), std::move(value));
}

std::string StateSpec::to_string() const {
  if (kind == Kind::kv_cache && shape.size() == 5)
    return fmt::format("kv_cache({}, layers={}, slots={}, heads={}, capacity={}, head_dim={})", openinfer::name(dtype),
                       shape[0].to_string(), shape[1].to_string(), shape[2].to_string(), shape[3].to_string(),
                       shape[4].to_string());
  std::string dims = openinfer::to_string(shape);
  dims.front() = '[', dims.back() = ']';
  return fmt::format("tensor({}, shape={})", openinfer::name(dtype), dims);
}

StateSpec kv_cache(KvCache spec) {
  return {StateSpec::Kind::kv_cache, spec.dtype, {spec.layers, spec.slots, spec.heads, spec.capacity, spec.head_dim}};
}

StateSpec tensor_state(DType dtype, Shape shape) { return {StateSpec::Kind::tensor, dtype, std::move(shape)}; }

std::vector<Value> apply(const OpDef& op, const std::vector<OptionalIn>& operands, Attributes attributes,
                         const ApplyTo& where, Location at) {
  for (const auto& operand : operands)
    if (operand && !at) at = operand->at();
  const auto draft = draft_of(op.name, operands, where, at);
  std::vector<ValueId> ids(operands.size(), kNoValue);
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (operands[i] && !std::holds_alternative<Literal>(operands[i]->operand()))
      ids[i] = to_value(*draft, *operands[i]);
  const auto others = ids;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!operands[i]) continue;
    if (const auto* literal = std::get_if<Literal>(&operands[i]->operand()))
      ids[i] = draft->add_literal(literal->value, Draft::literal_dtype(op, draft->g, others, i, literal->value),
                                  operands[i]->at());
  }
  const int state = where.state ? where.state->decl() : -1;
  std::vector<Value> results;
  for (ValueId id : draft->add_node(op, std::move(ids), std::move(attributes), state, {}, at))
    results.emplace_back(draft, id);
  return results;
}

Value operator|(const In& x, const Pipe& pipe) {
  if (!pipe.op) fail_at(x.at(), kInvalid, "[|] the pipe is empty");
  std::vector<OptionalIn> operands = {x};
  operands.insert(operands.end(), pipe.rest.begin(), pipe.rest.end());
  auto results = apply(*pipe.op, operands, pipe.attributes, {}, x.at());
  if (results.size() != 1)
    fail_at(x.at(), kInvalid, "[{}] has {} results and cannot be piped", pipe.op->name, results.size());
  return results[0] % Hinted(pipe.hint, pipe.hint_at);
}

Value operator%(const Value& value, const Hinted& hinted) {
  const auto& [hint, at] = hinted;
  if (!value) fail_at(at, kInvalid, "[hints] the value is empty");
  value.draft()->check_open("hints", at);
  check_kept(value, "hints", at);
  if (hint != hints{}) value.draft()->add_hint(value.id(), hint, at);
  return value;
}

Pipe operator%(Pipe pipe, const Hinted& hinted) {
  const hints& hint = hinted.hint;
  pipe.hint_at = hinted.at;
  if (!hint.name.empty()) pipe.hint.name = hint.name;
  if (hint.fuse) pipe.hint.fuse = hint.fuse;
  if (!hint.variant.empty()) pipe.hint.variant = hint.variant;
  if (!hint.tile.empty()) pipe.hint.tile = hint.tile;
  return pipe;
}

Value Table::operator[](const Entry& entry) const {
  const auto& [index, at] = entry;
  draft_->check_open("table", at);
  draft_->check_kept(&Draft::Mark::constants, static_cast<std::size_t>(decl_), undone_, "table", at);
  check_index(index, at);
  if (!index.draft()) return {draft_, draft_->add_constant(decl_, {}, {{0, index.offset()}}, at)};
  if (index.draft() != draft_)
    fail_at(at, kInvalid, "[table] #{} is indexed by a loop of another graph", draft_->g.constants.at(decl_).name);
  return {draft_, draft_->add_constant(decl_, {index.loop_index()}, {{index.scale(), index.offset()}}, at)};
}

Index Index::plus(std::int64_t k) const {
  Index sum = *this;
  sum.is_beyond_ |= __builtin_add_overflow(offset_, k, &sum.offset_) || is_far(sum.offset_);
  return sum;
}

Index Index::times(std::int64_t k) const {
  Index product = *this;
  const bool scale = __builtin_mul_overflow(scale_, k, &product.scale_) || is_far(product.scale_);
  const bool offset = __builtin_mul_overflow(offset_, k, &product.offset_) || is_far(product.offset_);
  product.is_beyond_ |= scale || offset;
  return product;
}

const GraphData& Graph::data(Location at) const {
  if (!data_) fail_at(at, kInvalid, "[graph] this Graph is empty: build one with graph(model, …)");
  return *data_;
}

std::vector<std::pair<std::string, TensorType>> Graph::inputs(At at) const {
  const GraphData& g = data(at);
  std::vector<std::pair<std::string, TensorType>> result;
  for (std::size_t i = 0; i < g.inputs.size(); ++i)
    result.emplace_back(g.inputs[i], g.values[g.top().arguments[i]].type);
  return result;
}

std::vector<std::pair<std::string, TensorType>> Graph::outputs(At at) const {
  const GraphData& g = data(at);
  std::vector<std::pair<std::string, TensorType>> result;
  for (const OutputDecl& o : g.outputs) result.emplace_back(o.name, g.values[o.value].type);
  return result;
}

}  // namespace openinfer
