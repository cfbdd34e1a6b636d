// SPDX-License-Identifier: Apache-2.0
// rope and what touches states: the key/value cache, tensors that are kept.
#include <fmt/format.h>

#include <cstring>

#include "codegen/kernels/rope.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"
#include "lib/base/fail.h"
#include "lib/ops/rope_frequencies.h"

namespace openinfer::plan {
namespace {

struct RopeAttributes {
  const GroupLowering& l;
  const Node& n;
  std::int64_t integer(std::string_view name) const { return std::get<std::int64_t>(l.attribute(n, name)); }
  double number(std::string_view name) const { return std::get<double>(l.attribute(n, name)); }
  bool flag(std::string_view name) const { return std::get<bool>(l.attribute(n, name)); }
  const Dim& dim(std::string_view name) const { return std::get<Dim>(l.attribute(n, name)); }
  const std::string& string(std::string_view name) const { return std::get<std::string>(l.attribute(n, name)); }
};

Rope options_of(const GroupLowering& l, const Node& n) { return rope_options(RopeAttributes{l, n}); }

/// The rope's own frequencies, if it was given some.
ValueId given_frequencies(const Node& n) { return n.operands.size() > 2 ? n.operands[2] : kNoValue; }

kernels::Rotation rotation_of(GroupLowering& l, const Node& n) {
  const Rope o = options_of(l, n);
  const Shape& x = l.type(n.operands[0]).shape;
  std::int64_t width = 1;
  for (std::size_t d = 1; d < x.size(); ++d) {
    if (!x[d].is_constant()) l.unsupported(n, "a number of heads that is not known has no kernel");
    width *= x[d].constant();
  }
  const auto small = [](std::int64_t i) { return static_cast<int>(i); };
  kernels::Rotation r = {small(width / o.head_dim), small(o.head_dim),
                         small(o.rotary_dim != 0 ? o.rotary_dim : o.head_dim), o.attention_factor};
  if (const ValueId f = given_frequencies(n); f != kNoValue && l.type(f).shape.size() == 2) {
    r.original_context = o.original_context;
    r.context = l.extent(o.context);
  }
  return r;
}

/// As given, or a constant that all ropes with the same options share.
Operand frequencies(GroupLowering& l, const Node& n) {
  if (const ValueId given = given_frequencies(n); given != kNoValue) return l.operand(given);
  const Rope o = options_of(l, n);
  const std::vector<float> f = rope_frequencies(o);
  std::string name = fmt::format("frequencies_{}_{}", o.rotary_dim != 0 ? o.rotary_dim : o.head_dim, o.theta);
  if (o.scaling != "none") name += fmt::format("_{}_{}", o.scaling, o.factor);
  if (o.scaling == "llama3")
    name += fmt::format("_{}_{}_{}", o.low_freq_factor, o.high_freq_factor, o.original_context);
  if (o.scaling == "yarn")
    name += fmt::format("_{}_{}_{}_{}", o.beta_fast, o.beta_slow, o.original_context, o.truncate);
  Tensor numbers(DType::f32, Extents{static_cast<std::int64_t>(f.size())});
  if (!f.empty()) std::memcpy(numbers.mutable_bytes().data(), f.data(), f.size() * sizeof(float));
  return l.constant(name, std::move(numbers));
}

void refuse_f64(const GroupLowering& l, const Node& n) {
  if (l.dtype(n.operands[0]) == DType::f64) l.unsupported(n, "devices have no sin and cos of f64; cast x to f32");
}

/// Where layer `layer` of a cache begins. No kernel looks whether there is such a layer.
Size first_of_layer(const GroupLowering& l, const Node& n, ValueId layer, const Shape& cache) {
  const std::optional<Dim> index = l.scalar(layer);
  if (!index)
    l.unsupported(n, "a layer that is neither a number nor a loop's index, times and plus numbers, has no kernel");
  const auto [least, most] = l.range(*index);
  if (least < 0 || (cache[0].is_constant() && most >= cache[0].constant()))
    fail_at(n.at, ErrorCode::invalid_argument, "[{}] layer {} is outside the cache, which has {} layers", n.op->name,
            least < 0 ? least : most, cache[0].to_string());
  return Size(*index) * Size::count(Shape(cache.begin() + 1, cache.end()));
}

/// The cache of the group's state, from that layer on: keys, then values.
std::vector<Operand> cache_from(GroupLowering& l, const Node& n, ValueId layer) {
  const int state = l.group().state;
  const Shape& shape = l.graph().states[static_cast<std::size_t>(state)].spec.shape;
  std::vector<Operand> places = l.state(state);
  for (Operand& place : places) place.offset = first_of_layer(l, n, layer, shape);
  return places;
}

enum KvOperand : std::size_t { kWriteKeys, kWriteValues, kWriteLayer, kWriteStep, kWritePos, kWriteSlot };

void dispatch_kv_write(GroupLowering& l, const Node& n, const Node* rope) {
  using Places = kernels::KvWrite::Places;
  const StateSpec& spec = l.graph().states[static_cast<std::size_t>(l.group().state)].spec;
  const auto given = [&](KvOperand i) { return n.operands.size() > i && n.operands[i] != kNoValue; };
  if (!spec.shape[2].is_constant() || !spec.shape[4].is_constant())
    l.unsupported(n, "heads and head_dim of the cache must be numbers");
  const ValueId keys = rope ? rope->operands[0] : n.operands[kWriteKeys];
  const std::vector<Operand> cache = cache_from(l, n, n.operands[kWriteLayer]);
  Bindings bind = {{"k", l.operand(keys)},
                   {"v", l.operand(n.operands[kWriteValues])},
                   {"pos", l.operand(n.operands[given(kWriteStep) ? kWriteStep : kWritePos])},
                   {"k_cache", cache[0]},
                   {"v_cache", cache[1]}};
  kernels::KvWrite what = {.rows = l.extent(l.type(keys).shape[0]),
                           .slots = l.extent(spec.shape[1]),
                           .capacity = l.extent(spec.shape[3]),
                           .places = given(kWriteStep)   ? Places::step
                                     : given(kWriteSlot) ? Places::pos_slot
                                                         : Places::pos,
                           .heads = static_cast<int>(spec.shape[2].constant()),
                           .head_dim = static_cast<int>(spec.shape[4].constant()),
                           .k = l.dtype(keys),
                           .v = l.dtype(n.operands[kWriteValues]),
                           .cache = spec.dtype};
  if (given(kWriteSlot)) bind["slot"] = l.operand(n.operands[kWriteSlot]);
  if (rope) {
    what.rope = rotation_of(l, *rope);
    bind["rope_pos"] = l.operand(rope->operands[1]);
    bind["frequencies"] = frequencies(l, *rope);
  }
  l.dispatch(kernels::kv_write(l.target(), rope ? "rope_kv_write" : "kv_write", what), bind);
}

}  // namespace

void lower_rope(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  refuse_f64(l, n);
  const kernels::Rope what = {l.extent(l.type(n.operands[0]).shape[0]), rotation_of(l, n), l.dtype(n.operands[0])};
  l.dispatch(kernels::rope(l.target(), "rope", what), {{"x", l.operand(n.operands[0])},
                                                       {"pos", l.operand(n.operands[1])},
                                                       {"frequencies", frequencies(l, n)},
                                                       {"y", l.operand(n.results[0])}});
}

void lower_kv_write(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const NodeId rope = l.group().rope;
  if (rope == kNoNode) return dispatch_kv_write(l, n, nullptr);
  refuse_f64(l, l.node(rope));
  if (!l.escapes(l.node(rope).results[0])) return dispatch_kv_write(l, n, &l.node(rope));
  l.lower_alone(rope);  // someone else reads the rotated keys too
  dispatch_kv_write(l, n, nullptr);
}

void lower_kv_read(GroupLowering& l) {
  const Node& n = l.node(l.group().head);
  const std::vector<Operand> cache = cache_from(l, n, n.operands[0]);
  for (std::size_t i = 0; i < cache.size(); ++i) l.alias(n.results[i], cache[i]);
}

void lower_state_read(GroupLowering& l) {
  const ValueId result = l.node(l.group().head).results[0];
  l.copy(l.state(l.group().state)[0], l.operand(result), Size::count(l.type(result).shape));
}

void lower_state_write(GroupLowering& l) {
  const ValueId value = l.node(l.group().head).operands[0];
  l.copy(l.operand(value), l.state(l.group().state)[0], Size::count(l.type(value).shape));
}

}  // namespace openinfer::plan
