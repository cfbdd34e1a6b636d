// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/tail.h"

#include <algorithm>
#include <array>
#include <bit>

#include "lib/base/fail.h"
#include "lib/base/number.h"
#include "lib/graph/infer.h"
#include "lib/ops/convert.h"

namespace openinfer::plan {
namespace {

/// What an element of that dtype holds of the number: 0.1 in f16 is another than in f32, and no double is every i64.
ScalarExpr constant_of(const Number& number, DType dtype) {
  std::array<std::byte, 8> element = {}, wide = {};
  if (!store_number(number, dtype, element.data()))
    fail(ErrorCode::internal, "[plan] a literal that {} cannot hold", name(dtype));
  const ScalarKind kind = compute_kind(dtype);
  convert_elements(dtype, element.data(), is_float(dtype) ? f64 : i64, wide.data(), 1);
  if (is_float(dtype)) return ScalarExpr::constant(kind, std::bit_cast<double>(wide));
  return ScalarExpr::from_bits(kind, std::bit_cast<std::uint64_t>(wide));
}

class TailBuilder {
 public:
  TailBuilder(GroupLowering& l, const Shape& shape, const std::vector<std::size_t>& axes, const Bindings& taken,
              bool in_blocks)
      : l_(l), shape_(shape), axes_(axes), taken_(taken), in_blocks_(in_blocks) {}

  std::optional<Tail> make(const std::vector<NodeId>& nodes, const std::vector<ValueId>& given) {
    std::size_t first = 0;
    for (const std::size_t dims : axes_) {
      Size size;
      for (std::size_t i = first; i < first + dims; ++i) size = size * Size(shape_[i]);
      tail_.pointwise.axes.push_back(l_.extent(size));
      first += dims;
    }
    for (const ValueId v : given) {
      place_[v] = static_cast<int>(tail_.pointwise.given.size());
      tail_.pointwise.given.push_back(l_.dtype(v));
    }
    if (!inputs(nodes)) return std::nullopt;
    for (const NodeId n : nodes) step(n);
    for (const ValueId v : given) output(v);
    for (const NodeId n : nodes) output(l_.node(n).results[0]);
    return std::move(tail_);
  }

 private:
  bool inputs(const std::vector<NodeId>& nodes) {
    std::vector<ValueId> made;
    for (const NodeId n : nodes) made.push_back(l_.node(n).results[0]);
    for (const NodeId n : nodes)
      for (const ValueId v : l_.node(n).operands) {
        if (v == kNoValue || place_.contains(v) || l_.number(v)) continue;
        if (std::find(made.begin(), made.end(), v) != made.end()) continue;
        if (!input(v)) return false;
      }
    return true;
  }
  bool input(ValueId v) {
    std::vector<bool> moves;
    if (!moves_of(l_.type(v).shape, moves)) return false;
    place_[v] = static_cast<int>(tail_.pointwise.given.size() + tail_.pointwise.inputs.size());
    const Operand place = l_.operand(v);
    tail_.pointwise.inputs.push_back({bound(v, place), l_.dtype(v), moves});
    return true;
  }
  /// Which axes the operand has; false if it has only part of one.
  bool moves_of(const Shape& own, std::vector<bool>& moves) const {
    const std::size_t missing = shape_.size() - own.size();
    std::size_t first = 0;
    for (const std::size_t dims : axes_) {
      std::size_t has = 0, real = 0;
      for (std::size_t i = first; i < first + dims; ++i) {
        if (shape_[i] == Dim(1)) continue;
        ++real;
        has += i >= missing && !(own[i - missing] == Dim(1));
      }
      if (has != 0 && has != real) return false;
      moves.push_back(has != 0);
      first += dims;
    }
    return true;
  }
  std::string bound(ValueId v, const Operand& place, std::string_view form = "") {
    const std::string wanted = name_of(l_, v) + std::string(form);
    std::string name = wanted;
    for (int n = 2; tail_.bind.contains(name) || taken_.contains(name); ++n) name = wanted + "_" + std::to_string(n);
    tail_.bind[name] = place;
    return name;
  }

  void step(NodeId id) {
    const Node& n = l_.node(id);
    const ValueId result = n.results[0];
    ScalarFn function = std::get<ScalarFn>(*openinfer::lower(l_.graph(), n));
    std::vector<int> operands;
    std::vector<std::optional<ScalarExpr>> literals;
    for (const ValueId v : n.operands) {
      const std::optional<Number> number = l_.number(v);
      literals.emplace_back(std::nullopt);
      if (number && !place_.contains(v))
        literals.back() = constant_of(*number, l_.dtype(v));
      else
        operands.push_back(place_.at(v));
    }
    const auto whole = [function, literals](std::span<const ScalarExpr> given) {
      std::vector<ScalarExpr> all;
      std::size_t next = 0;
      for (const auto& literal : literals) all.push_back(literal ? *literal : given[next++]);
      return function(all);
    };
    auto& p = tail_.pointwise;
    place_[result] = static_cast<int>(p.given.size() + p.inputs.size() + p.steps.size());
    p.steps.push_back({identifier(l_.graph().values[result].name), whole, operands, l_.dtype(result), n.at});
  }
  void output(ValueId v) {
    if (!l_.escapes(v)) return;
    if (in_blocks_ && l_.dtype(v) == DType::f32)
      if (const std::optional<Operand> rows = l_.rows_instead_in(RowForm::int8, v)) {
        tail_.pointwise.outputs.push_back({bound(v, *rows, "_int8"), DType::i32, place_.at(v), true});
        in_blocks_ = false;
        return;
      }
    const Operand place = l_.operand(v);
    const std::string name = bound(v, place);
    tail_.pointwise.outputs.push_back({name, l_.dtype(v), place_.at(v)});
  }

  GroupLowering& l_;
  const Shape& shape_;
  const std::vector<std::size_t>& axes_;
  const Bindings& taken_;
  bool in_blocks_;  // may an output still be so?
  Tail tail_;
  std::map<ValueId, int> place_;  // operand numbers
};

}  // namespace

std::string identifier(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (word)
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name = "_" + name;
  return name;
}

std::string name_of(const GroupLowering& l, ValueId value) {
  const ValueInfo& v = l.graph().values[value];
  if (v.node != kNoNode && l.node(v.node).op == &weight_op())
    return identifier(l.graph().weights[static_cast<std::size_t>(l.node(v.node).decl)].pattern);
  return v.name.empty() ? "operand" : identifier(v.name);
}

std::optional<Tail> tail_of(GroupLowering& l, const std::vector<NodeId>& nodes, const std::vector<ValueId>& given,
                            const Shape& shape, const std::vector<std::size_t>& axes, const Bindings& taken,
                            bool in_blocks) {
  return TailBuilder(l, shape, axes, taken, in_blocks).make(nodes, given);
}

Tail row_tail(GroupLowering& l, const std::vector<NodeId>& nodes, const std::vector<ValueId>& given,
              const Bindings& taken, bool& rest, bool in_blocks) {
  const Shape& shape = l.type(given.front()).shape;
  const std::vector<std::size_t> axes = {shape.empty() ? 0 : shape.size() - 1, shape.empty() ? 0u : 1u};
  rest = false;
  if (std::optional<Tail> tail = tail_of(l, nodes, given, shape, axes, taken, in_blocks)) return *std::move(tail);
  // Only the given values, all of them in memory.
  rest = true;
  Tail plain;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    Size size;
    for (std::size_t d = i == 0 ? 0 : axes[0]; d < (i == 0 ? axes[0] : shape.size()); ++d) size = size * Size(shape[d]);
    plain.pointwise.axes.push_back(l.extent(size));
  }
  for (const ValueId v : given) {
    std::string name = name_of(l, v);
    while (taken.contains(name) || plain.bind.contains(name)) name += "_2";
    plain.bind[name] = l.operand(v);
    plain.pointwise.outputs.push_back({name, l.dtype(v), static_cast<int>(plain.pointwise.given.size())});
    plain.pointwise.given.push_back(l.dtype(v));
  }
  return plain;
}

}  // namespace openinfer::plan
