// SPDX-License-Identifier: Apache-2.0
#include "lib/graph/infer.h"

#include <algorithm>
#include <tuple>

#include "lib/base/fail.h"
#include "lib/graph/number_text.h"

namespace openinfer {
namespace {

using Presence = OperandSpec::Presence;

class NodeContext final : public InferContext {
 public:
  NodeContext(const GraphData& g, const Node& node, std::size_t count) : g_(g), node_(node), count_(count) {
    for (std::size_t i = 0; i < count; ++i) types_.push_back(has(i) ? g.values[node.operands[i]].type : TensorType{});
  }

  const OpDef& op() const override { return *node_.op; }
  std::size_t operand_count() const override { return count_; }
  bool has(std::size_t i) const override { return i < count_ && node_.operands[i] != kNoValue; }
  const TensorType& type(std::size_t i) const override { return types_.at(i); }
  std::string describe(std::size_t i) const override { return openinfer::describe(g_, node_.operands.at(i)); }
  const Attributes& attributes() const override { return node_.attributes; }
  const StateSpec& state() const override { return g_.states.at(g_.values[node_.operands.back()].state).spec; }
  Location at() const override { return node_.at; }
  std::pair<std::int64_t, std::int64_t> bounds(const Dim& dim) const override;

  void set_dtype(std::size_t i, DType dtype) { types_[i].dtype = dtype; }

 private:
  const GraphData& g_;
  const Node& node_;
  std::size_t count_;
  std::vector<TensorType> types_;
};

std::pair<std::int64_t, std::int64_t> NodeContext::bounds(const Dim& dim) const {
  Dim low = dim.constant(), high = dim.constant();
  for (const auto& term : dim.terms()) {
    const auto decl =
        std::find_if(g_.dims.begin(), g_.dims.end(), [&](const DimDecl& d) { return d.name == term.symbol; });
    if (decl == g_.dims.end())
      fail(ErrorCode::invalid_argument, fmt::format("dimension '{}' is not declared", term.symbol));
    low = low.plus(Dim(term.factor > 0 ? decl->min : decl->max).times(term.factor));
    high = high.plus(Dim(term.factor > 0 ? decl->max : decl->min).times(term.factor));
  }
  return {low.constant(), high.constant()};
}

bool has_kind(const Attribute& value, AttributeKind kind) {
  switch (kind) {
    case AttributeKind::boolean: return std::holds_alternative<bool>(value);
    case AttributeKind::integer: return std::holds_alternative<std::int64_t>(value);
    case AttributeKind::number: return std::holds_alternative<double>(value);
    case AttributeKind::string: return std::holds_alternative<std::string>(value);
    case AttributeKind::dtype: return std::holds_alternative<DType>(value);
    case AttributeKind::dim: return std::holds_alternative<Dim>(value);
    case AttributeKind::dims: return std::holds_alternative<Shape>(value);
  }
  return false;
}

void check_symbols(const NodeContext& context, const Attribute& value) {
  if (const auto* dim = std::get_if<Dim>(&value)) context.bounds(*dim);
  if (const auto* shape = std::get_if<Shape>(&value))
    for (const Dim& d : *shape) context.bounds(d);
}

void check_attributes(const NodeContext& context, const Node& node) {
  const auto& specs = node.op->attributes;
  for (const auto& attribute : node.attributes.entries()) {
    const std::string& name = attribute.first;
    const Attribute& value = attribute.second;
    const auto spec = std::find_if(specs.begin(), specs.end(), [&](const auto& s) { return s.name == name; });
    if (spec == specs.end()) context.fail(ErrorCode::invalid_argument, fmt::format("has no attribute '{}'", name));
    if (!has_kind(value, spec->kind))
      context.fail(ErrorCode::invalid_argument, fmt::format("attribute '{}' has the wrong kind of value", name));
    check_symbols(context, value);
  }
  for (const AttributeSpec& spec : specs)
    if (!spec.fallback && !node.attributes.find(spec.name))
      context.fail(ErrorCode::invalid_argument, fmt::format("needs the attribute '{}'", spec.name));
}

const OperandSpec& spec_of(const OpDef& op, std::size_t i) { return op.operands[std::min(i, op.operands.size() - 1)]; }

/// Where the operator takes stored tensors, if not for this operand: two may have been exchanged.
std::string instead_of(const OpDef& op, const OperandSpec& spec) {
  for (const OperandSpec& other : op.operands)
    if (other.stored)
      return fmt::format(", which can be the '{}' and not the '{}': exchange the two, or cast it", other.name,
                         spec.name);
  return "; cast it to f32 first";
}

void check_operands(const NodeContext& context, const GraphData& g, const Node& node, std::size_t count) {
  const OpDef& op = *node.op;
  const bool variadic = !op.operands.empty() && op.operands.back().presence == Presence::variadic;
  if (variadic ? count < op.operands.size() : count != op.operands.size())
    context.fail(ErrorCode::invalid_argument,
                 fmt::format("takes {}{} operands, not {}", variadic ? "at least " : "", op.operands.size(), count));
  for (std::size_t i = 0; i < count; ++i) {
    const OperandSpec& spec = spec_of(op, i);
    if (!context.has(i)) {
      if (spec.presence != Presence::optional)
        context.fail(ErrorCode::invalid_argument, fmt::format("operand '{}' is missing", spec.name));
      continue;
    }
    const ValueInfo& value = g.values[node.operands[i]];
    if (value.state >= 0)
      context.fail(ErrorCode::invalid_argument, fmt::format("operand '{}' is a state, not a tensor", spec.name));
    const auto refuse = [&](DType d) {
      const DTypeInfo& row = info(d);
      if (!spec.stored && (row.block_size != 1 || is_block(d) || row.kind == DTypeKind::ternary))
        context.fail(ErrorCode::dtype_mismatch,
                     fmt::format("{} is stored as {}{}", context.describe(i), row.name, instead_of(op, spec)));
    };
    refuse(value.type.dtype);
    for (DType d : value.dtypes) refuse(d);
  }
}

std::string index_text(const GraphData& g, ValueId loop_index, Affine affine) {
  return (Dim::symbol(g.values[loop_index].name) * affine.scale + Dim(affine.offset)).to_string();
}

std::string leaf_text(const GraphData& g, const Node& leaf) {
  if (leaf.op == &literal_op()) return std::visit([](auto number) { return fmt::format("{}", number); }, leaf.literal);
  if (leaf.op == &constant_op())
    return "#" + g.constants[leaf.decl].name +
           (leaf.index.empty()      ? ""
            : leaf.operands.empty() ? fmt::format("[{}]", leaf.index[0].offset)
                                    : "[" + index_text(g, leaf.operands[0], leaf.index[0]) + "]");
  std::string text = "@";
  std::size_t next = 0;
  const std::string& pattern = g.weights[leaf.decl].pattern;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    text += pattern[i];
    if (pattern[i] == '{') text += index_text(g, leaf.operands[next], leaf.index[next]), ++next;
  }
  return text;
}

std::vector<TensorType> checked_types(NodeContext& context, const GraphData& g, const Node& node, std::size_t count) {
  check_operands(context, g, node, count);
  check_attributes(context, node);
  check_hint(*node.op, node.hint, node.at);
  auto types = node.op->infer(context);
  for (std::size_t i = 0; i < count; ++i) {
    if (!context.has(i)) continue;
    const ValueInfo& family = g.values[node.operands[i]];
    for (DType dtype : family.dtypes) {
      context.set_dtype(i, dtype);
      if (node.op->infer(context) != types)
        context.fail(ErrorCode::dtype_mismatch,
                     fmt::format("gives another type for {} than for {} members of {}", name(dtype),
                                 name(family.type.dtype), describe(g, node.operands[i])));
    }
    context.set_dtype(i, family.type.dtype);
  }
  return types;
}

}  // namespace

void check_hint(const OpDef& op, const hints& hint, Location at) {
  const auto& [variants, tile] = std::tie(op.variants, hint.tile);
  if (!hint.variant.empty() && std::find(variants.begin(), variants.end(), hint.variant) == variants.end())
    fail_at(at, ErrorCode::invalid_argument, "[{}] {}", op.name,
            variants.empty() ? fmt::format("has no kernel variants; the hint asks for '{}'", hint.variant)
                             : fmt::format("has no variant '{}'; it has {}", hint.variant, fmt::join(variants, ", ")));
  if (tile.size() > 3 || std::any_of(tile.begin(), tile.end(), [](std::int64_t t) { return t < 1; }))
    fail_at(at, ErrorCode::invalid_argument, "[{}] a tile is 1 to 3 positive numbers, not [{}]", op.name,
            fmt::join(tile, ", "));
}

std::string describe(const GraphData& g, ValueId value) {
  if (value == kNoValue) return "(absent)";
  const ValueInfo& v = g.values.at(value);
  if (v.state >= 0) return "$" + g.states.at(v.state).name;
  if (v.node != kNoNode && is_leaf(g.nodes[v.node])) return leaf_text(g, g.nodes[v.node]);
  return "'" + v.name + "'";
}

std::vector<TensorType> infer(const GraphData& g, const Node& node) {
  const bool has_token = node.op->traits.state != StateUse::none;
  const std::size_t count = node.operands.size() - (has_token ? 1 : 0);
  NodeContext context(g, node, count);
  try {
    return checked_types(context, g, node, count);
  } catch (const Error& e) {
    // Arithmetic on dimensions knows no line, or that of the operator's own source.
    constexpr std::string_view kDim = "[dim] ";
    const bool of_dim = e.message().starts_with(kDim);
    if (!of_dim && (!e.where().empty() || e.message().starts_with('['))) throw;
    throw Error(e.code(), fmt::format("[{}] {}", node.op->name, e.message().substr(of_dim ? kDim.size() : 0)), node.at);
  }
}

std::optional<Lowering> lower(const GraphData& g, const Node& node) {
  if (!node.op->lower) return std::nullopt;
  const bool has_token = node.op->traits.state != StateUse::none;
  return node.op->lower(NodeContext(g, node, node.operands.size() - (has_token ? 1 : 0)));
}

void check_literal(const Number& number, DType dtype, Location at) {
  if (info(dtype).block_size != 1 || is_block(dtype))
    fail_at(at, ErrorCode::dtype_mismatch, "[literal] {} cannot be a {}", literal_text(number), name(dtype));
  if (is_float(dtype)) return;
  if (std::holds_alternative<double>(number))
    fail_at(at, ErrorCode::dtype_mismatch, "[literal] {} stands where {} is wanted", literal_text(number), name(dtype));
  const bool has_sign = is_signed_int(dtype);
  const int bits = dtype == DType::boolean ? 1 : info(dtype).bits - (has_sign ? 1 : 0);
  const std::uint64_t largest = ~std::uint64_t{0} >> (64 - bits);
  const auto* integer = std::get_if<std::int64_t>(&number);
  const bool negative = integer && *integer < 0;
  const std::uint64_t value = integer ? static_cast<std::uint64_t>(*integer) : std::get<std::uint64_t>(number);
  if (negative ? !has_sign || ~value > largest : value > largest)  // ~v is −v − 1
    fail_at(at, ErrorCode::invalid_argument, "[literal] {} does not fit {}", literal_text(number), name(dtype));
}

double flops_of(const GraphData& g, const Node& node, const std::function<std::int64_t(const Dim&)>& value) {
  const bool has_token = node.op->traits.state != StateUse::none;
  const NodeContext context(g, node, node.operands.size() - (has_token ? 1 : 0));
  return node.op->cost ? node.op->cost(context, value).flops : 0;
}

}  // namespace openinfer
