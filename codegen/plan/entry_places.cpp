// SPDX-License-Identifier: Apache-2.0
// Where values are: buffers of the plan, made when first asked for.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "codegen/kernel_ir/print.h"
#include "codegen/kernels/apart_rows.h"
#include "codegen/kernels/int8_rows.h"
#include "codegen/plan/entry_lowering.h"
#include "codegen/plan/tail.h"
#include "lib/base/fail.h"
#include "lib/base/number.h"
#include "lib/graph/infer.h"

namespace openinfer::plan {
const Attribute& GroupLowering::attribute(const Node& node, std::string_view name) const {
  return attribute_or_fallback(node, name);
}

bool GroupLowering::escapes(ValueId value) const {
  return std::find(group().outputs.begin(), group().outputs.end(), value) != group().outputs.end();
}

void GroupLowering::unsupported(const Node& node, const std::string& why) const {
  fail_at(node.at, ErrorCode::unsupported, "[{}] {}", node.op->name, why);
}

Dim EntryLowering::reduced(const Dim& dim) const {
  Dim result = dim.constant();
  for (const Dim::Term& t : dim.terms()) {
    const auto bound = bounds_.find(t.symbol);
    const bool fixed = bound != bounds_.end() && bound->second.first == bound->second.second;
    result = result + (fixed ? Dim(bound->second.first) : Dim::symbol(t.symbol)) * t.factor;
  }
  return result;
}
Size EntryLowering::reduced(const Size& size) const {
  Size result = size.constant();
  for (const Dim& d : size.factors()) result = result * Size(reduced(d));
  return result;
}
Shape EntryLowering::reduced(const Shape& shape) const {
  Shape result;
  for (const Dim& d : shape) result.push_back(reduced(d));
  return result;
}

std::int64_t EntryLowering::limited(const std::string& symbol, std::int64_t most) const {
  const auto limit = entry_.limits.find(symbol);
  return limit == entry_.limits.end() ? most : std::min(most, limit->second);
}

std::int64_t EntryLowering::upper_for_kernels(const Size& size) const {
  return size.value([&](std::string_view symbol) {
    const auto bound = bounds_.find(symbol);
    OPENINFER_ASSERT(bound != bounds_.end());
    return bound->second.second;
  });
}

std::int64_t EntryLowering::upper(const Size& size) const {
  return size.value(
      [&](std::string_view symbol) { return limited(std::string(symbol), upper_for_kernels(Dim::symbol(symbol))); });
}

std::string EntryLowering::unique(std::string_view wanted) {
  const std::string name = identifier(wanted);
  std::string candidate = name;
  for (int n = 2; !names_.insert(candidate).second; ++n) candidate = fmt::format("{}_{}", name, n);
  return candidate;
}

int EntryLowering::new_buffer(Buffer buffer) {
  if (buffer.role == Role::scratch) buffer.entry = static_cast<int>(plan_.entries.size());
  plan_.buffers.push_back(std::move(buffer));
  return static_cast<int>(plan_.buffers.size() - 1);
}

Operand EntryLowering::scratch(std::string_view name, DType dtype, Shape shape) {
  shape = reduced(shape);
  const std::int64_t bytes = upper(Size::count(shape)) * info(dtype).block_bytes;
  return {.buffer = new_buffer({.name = unique(name), .dtype = dtype, .shape = std::move(shape), .max_bytes = bytes})};
}

Operand EntryLowering::new_scratch(ValueId value, std::string_view name) {
  const ValueInfo& v = g_.values[value];
  return scratch(name.empty() ? "value" : name, v.type.dtype, v.type.shape);
}

Operand EntryLowering::operand(ValueId value) {
  if (const auto turned = turned_.find(value); turned != turned_.end()) return turned->second;
  if (places_[value]) return *places_[value];
  const ValueInfo& v = g_.values[value];
  for (const RowForm form : {RowForm::int8, RowForm::bf16})
    if (rows_instead_.contains({form, value}))
      fail(ErrorCode::internal, "[plan] '{}' is nowhere but in rows for products", v.name);
  if (v.node != kNoNode && is_leaf(g_.nodes[v.node])) return leaf(value);
  if (scalar(value)) return index_in_memory(value);
  places_[value] = new_scratch(value, v.name);
  return *places_[value];
}

/// For whoever reads a loop's index, or arithmetic on it, as a tensor: written each turn, and for each reader, as
/// branches skip others.
Operand EntryLowering::index_in_memory(ValueId value) {
  const Operand place = new_scratch(value, g_.values[value].name);
  kir::Build k("loop_index", target());
  k.out("y", kir::Kind::i32)[k.constant(0)] = kernels::value_of(k, extent(Size(*scalar(value))));
  dispatch({.kernel = k.done(), .grid = {}, .reason = "a loop's index, read as a tensor"}, {{"y", place}});
  return place;
}

DType EntryLowering::dtype(ValueId value) const {
  const auto variant = signature_.find(value);
  return variant != signature_.end() ? variant->second : g_.values[value].type.dtype;
}

// --- leaves ---

std::vector<Dim> EntryLowering::members(const Node& leaf) const {
  std::vector<Dim> subscripts;
  for (std::size_t i = 0; i < leaf.index.size(); ++i) {
    Dim subscript = leaf.index[i].offset;
    if (i < leaf.operands.size())
      if (const auto loop = indices_.find(leaf.operands[i]); loop != indices_.end())
        subscript = subscript + Dim::symbol(loop->second) * leaf.index[i].scale;
    subscripts.push_back(subscript);
  }
  return subscripts;
}

Operand EntryLowering::leaf(ValueId value) {
  const Node& node = g_.nodes[g_.values[value].node];
  if (node.op == &literal_op()) return literal_buffer(node, value);
  if (node.op == &weight_op()) {
    Operand place = {.buffer = weight_buffer(node.decl, transposed(value)), .member = members(node)};
    return place;
  }
  Operand place = {.buffer = constant_buffer(node.decl)};
  if (const std::vector<Dim> turn = members(node); !turn.empty()) place.offset = Size(turn[0]);
  return place;
}

int EntryLowering::weight_buffer(int decl, bool transposed) {
  const WeightDecl& w = g_.weights[static_cast<std::size_t>(decl)];
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
    if (plan_.buffers[i].role == Role::weight && plan_.buffers[i].key == w.pattern) return static_cast<int>(i);
  Shape stored = w.shape;
  if (transposed) std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
  std::int64_t largest = 0;
  for (const DType dtype : w.dtypes)
    largest = std::max(largest, upper(Size::count(w.shape)) / info(dtype).block_size * info(dtype).block_bytes);
  return new_buffer({.name = unique(w.pattern),
                     .role = Role::weight,
                     .dtype = w.dtypes.front(),
                     .shape = std::move(stored),
                     .key = w.pattern,
                     .ranges = w.ranges,
                     .layout = layouts_[static_cast<std::size_t>(decl)].layout,
                     .why_layout = layouts_[static_cast<std::size_t>(decl)].reason,
                     .max_bytes = largest});
}

int EntryLowering::constant_buffer(int decl) {
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
    if (plan_.buffers[i].role == Role::constant && plan_.buffers[i].constant == decl) return static_cast<int>(i);
  const ConstantDecl& c = g_.constants[static_cast<std::size_t>(decl)];
  Shape shape;
  for (const std::int64_t n : c.tensor.shape()) shape.emplace_back(n);
  return new_buffer({.name = unique(c.name),
                     .role = Role::constant,
                     .dtype = c.tensor.dtype(),
                     .shape = std::move(shape),
                     .key = c.name,
                     .constant = decl,
                     .max_bytes = static_cast<std::int64_t>(c.tensor.bytes().size())});
}

/// A number that a kernel wants in memory: a constant of one element.
Operand EntryLowering::literal_buffer(const Node& node, ValueId value) {
  const DType dtype = g_.values[value].type.dtype;
  const auto number = std::visit([](auto n) { return fmt::format("{}", n); }, node.literal);
  const std::string name = fmt::format("literal_{}_{}", number, openinfer::name(dtype));
  Tensor one(dtype, Extents{});
  if (!store_number(node.literal, dtype, one.mutable_bytes().data()))
    unsupported(node, "a number its dtype cannot hold");
  return constant(name, std::move(one));
}

Operand EntryLowering::constant(std::string_view name, Tensor numbers) {
  const auto graphs = static_cast<int>(g_.constants.size());  // ours lie behind them, and share no names with them
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& b = plan_.buffers[i];
    if (b.role == Role::constant && b.constant >= graphs && b.key == name) return {static_cast<int>(i)};
  }
  Buffer buffer = {.name = unique(name),
                   .role = Role::constant,
                   .dtype = numbers.dtype(),
                   .key = std::string(name),
                   .constant = static_cast<int>(plan_.constants.size()),
                   .max_bytes = static_cast<std::int64_t>(numbers.bytes().size())};
  for (const std::int64_t n : numbers.shape()) buffer.shape.emplace_back(n);
  plan_.constants.emplace_back(name, std::move(numbers));
  return {new_buffer(std::move(buffer))};
}

std::string EntryLowering::key(const Node& leaf, const std::vector<std::int64_t>& turn) const {
  std::string key = g_.weights[static_cast<std::size_t>(leaf.decl)].pattern;
  for (const Dim& subscript : members(leaf)) {
    const auto value = subscript.value([&](std::string_view symbol) -> std::optional<std::int64_t> {
      for (std::size_t i = 0; i < loops_.size(); ++i)
        if (loops_[i].symbol == symbol) return turn[i];
      return std::nullopt;
    });
    const std::size_t place = key.find("{}");
    key.replace(place, 2, fmt::format("{}", *value));
  }
  return key;
}

bool EntryLowering::transposed(ValueId value) const {
  if (turned_.contains(value)) return false;
  const NodeId node = g_.values[value].node;
  if (node == kNoNode || g_.nodes[node].op != &weight_op() || !g_.model) return false;
  std::vector<std::int64_t> first;
  for (const LoopRange& loop : loops_) first.push_back(loop.from);
  return g_.model->tensor(key(g_.nodes[node], first)).transposed;
}

/// Products read it as w, gathers as a table of rows. Members of a family that differ in dtype want variants of a
/// kernel, which are made by the node's own operands.
bool EntryLowering::is_read_through(ValueId value) const {
  const NodeId id = g_.values[value].node;
  if (id == kNoNode || g_.nodes[id].op->name != "affine" || all_uses_.leaves(value)) return false;
  for (const ValueId v : g_.nodes[id].operands)
    if (v != kNoValue && g_.values[v].dtypes.size() > 1) return false;
  const auto reads = [&](NodeId user) {
    const Node& n = g_.nodes[user];
    const auto once = std::count(n.operands.begin(), n.operands.end(), value) == 1;
    if (is_product(n)) return once && n.operands[1] == value;
    if (n.op->name != "gather" || !once || n.operands[0] != value) return false;
    return g_.values[value].type.shape.size() == 2 && std::get<std::int64_t>(attribute(n, "axis")) == 0;
  };
  const auto& users = all_uses_.of(value);
  return !users.empty() && std::all_of(users.begin(), users.end(), reads);
}

kernels::Layout EntryLowering::layout(ValueId value) const {
  const NodeId node = g_.values[value].node;
  if (node == kNoNode || g_.nodes[node].op != &weight_op()) return kernels::Layout::rows;
  return layouts_[static_cast<std::size_t>(g_.nodes[node].decl)].layout;
}

std::optional<Dim> EntryLowering::scalar(ValueId value) const {
  if (const auto loop = indices_.find(value); loop != indices_.end()) return Dim::symbol(loop->second);
  const NodeId node = g_.values[value].node;
  if (node == kNoNode) return std::nullopt;
  if (g_.nodes[node].op != &literal_op()) return affine(g_.nodes[node]);
  const auto* number = std::get_if<std::int64_t>(&g_.nodes[node].literal);
  return number ? std::optional<Dim>(*number) : std::nullopt;
}

/// Sums and products of a loop's index and numbers: layers of a cache, as `2 * l + 1`.
std::optional<Dim> EntryLowering::affine(const Node& node) const {
  const bool sum = node.op->name == "add";
  if ((!sum && node.op->name != "mul") || g_.values[node.results[0]].type != TensorType{DType::i32, {}})
    return std::nullopt;
  const std::optional<Dim> a = scalar(node.operands[0]), b = scalar(node.operands[1]);
  if (!a || !b) return std::nullopt;
  if (sum) return *a + *b;
  if (b->is_constant()) return *a * b->constant();
  return a->is_constant() ? std::optional<Dim>(*b * a->constant()) : std::nullopt;
}

std::pair<std::int64_t, std::int64_t> EntryLowering::range(const Dim& dim) const {
  std::int64_t least = dim.constant(), most = dim.constant();
  for (const Dim::Term& t : dim.terms()) {
    const auto& [from, to] = bounds_.at(t.symbol);
    least += t.factor * (t.factor > 0 ? from : to);
    most += t.factor * (t.factor > 0 ? to : from);
  }
  return {least, most};
}

std::optional<Number> EntryLowering::number(ValueId value) const {
  const NodeId node = g_.values[value].node;
  if (node == kNoNode || g_.nodes[node].op != &literal_op()) return std::nullopt;
  return g_.nodes[node].literal;
}

std::vector<Operand> EntryLowering::state(int state) {
  const StateDecl& decl = g_.states[static_cast<std::size_t>(state)];
  const bool cache = decl.spec.kind == StateSpec::Kind::kv_cache;
  std::vector<Operand> places;
  for (int part = 0; part < (cache ? 2 : 1); ++part) {
    const std::string key = cache ? decl.name + (part == 0 ? ".keys" : ".values") : decl.name;
    int found = -1;
    for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
      if (plan_.buffers[i].role == Role::state && plan_.buffers[i].key == key) found = static_cast<int>(i);
    if (found < 0)
      found = new_buffer({.name = unique(key),
                          .role = Role::state,
                          .dtype = decl.spec.dtype,
                          .shape = decl.spec.shape,
                          .key = key,
                          .max_bytes = upper(Size::count(decl.spec.shape)) * info(decl.spec.dtype).block_bytes});
    places.push_back({found});
  }
  return places;
}

// --- dispatches ---

kernels::Extent EntryLowering::extent(const Size& wanted) {
  const Size size = reduced(wanted);
  if (size.is_constant()) {
    check_count("an operand", size.constant());
    return {size.constant()};
  }
  std::string name = identifier(size.text());
  for (int n = 2;; ++n) {
    const auto [known, added] = params_.emplace(name, size);
    if (added || known->second == size) break;
    name = fmt::format("{}_{}", identifier(size.text()), n);
  }
  return {upper_for_kernels(size), name};
}

int EntryLowering::kernel_number(kir::Kernel code) {
  const std::string wanted = code.name;
  for (int n = 2;; ++n) {
    const auto same_name = std::find_if(plan_.kernels.begin(), plan_.kernels.end(),
                                        [&](const Kernel& k) { return k.code.name == code.name; });
    if (same_name == plan_.kernels.end()) break;
    if (to_text(same_name->code) == to_text(code)) return static_cast<int>(same_name - plan_.kernels.begin());
    code.name = fmt::format("{}_{}", wanted, n);
  }
  plan_.kernels.push_back({std::move(code)});
  return static_cast<int>(plan_.kernels.size() - 1);
}

std::optional<Result> EntryLowering::result_at(const Operand& place) const {
  const Buffer& b = plan_.buffers[static_cast<std::size_t>(place.buffer)];
  for (const NodeId id : group_.nodes) {
    const Node& n = g_.nodes[id];
    if (b.role == Role::state && n.op->traits.state == StateUse::write)  // one layer of a cache
      return Result{b.key, n.results.back(), place, reduced(Size::count(Shape(b.shape.begin() + 1, b.shape.end())))};
    for (const ValueId v : n.results)
      if (g_.values[v].state < 0 && places_[v] == place)
        return Result{g_.values[v].name, v, place, reduced(Size::count(type(v).shape))};
    for (const ValueId v : n.results)
      if (rows_instead_.contains({RowForm::int8, v}) && row_places_.at({RowForm::int8, v}) == place)
        return Result{g_.values[v].name, v, place, reduced(Size::count(b.shape)), true};
  }
  return std::nullopt;
}

std::vector<Result> EntryLowering::results_of(const kir::Kernel& code, const std::vector<Operand>& operands) const {
  std::vector<Result> results;
  std::size_t i = 0;
  for (const kir::Buffer& b : code.buffers) {
    if (b.space == kir::Space::shared) continue;
    const Operand& place = operands[i++];
    if (b.access == kir::Access::read) continue;
    if (std::optional<Result> result = result_at(place)) results.push_back(*std::move(result));
  }
  return results;
}

void EntryLowering::dispatch(kernels::TemplateKernel made, const std::map<std::string, Operand>& bind) {
  Dispatch d;
  const kir::Kernel& code = made.kernel;
  for (const kir::Buffer& b : code.buffers) {
    if (b.space == kir::Space::shared) continue;
    const auto bound = bind.find(b.name);
    if (bound == bind.end()) fail(ErrorCode::internal, "[plan] kernel {}: '{}' is bound to nothing", code.name, b.name);
    check_reach(bound->second);
    d.operands.push_back(bound->second);
  }
  const auto size_of = [&](const std::string& param) {
    const auto known = params_.find(param);
    if (known == params_.end()) fail(ErrorCode::internal, "[plan] kernel {}: no size '{}'", code.name, param);
    return known->second;
  };
  for (const std::string& param : code.params) d.params.push_back(size_of(param));
  for (const kernels::GridFactor& f : made.grid)
    d.grid.push_back({f.extent.known() ? Size(f.extent.value) : size_of(f.extent.param), f.divide});
  const auto operand_of = [&](const std::string& buffer) {
    int i = 0;
    for (const kir::Buffer& b : code.buffers) {
      if (b.space == kir::Space::shared) continue;
      if (b.name == buffer) return i;
      ++i;
    }
    fail(ErrorCode::internal, "[plan] kernel {} has no buffer '{}'", code.name, buffer);
  };
  d.columns.parts = made.columns.parts;
  for (const kernels::ColumnParts::Weight& w : made.columns.weights)
    d.columns.weights.push_back({static_cast<std::size_t>(operand_of(w.buffer)), w.first, w.count, w.rows_each});
  if (!made.lookup.table.empty())
    d.lookup = {operand_of(made.lookup.table), operand_of(made.lookup.ids), made.lookup.entries,
                made.lookup.entry_elements};
  d.results = results_of(code, d.operands);
  d.origin = origin(made.reason);
  if (made.work) d.origin.bytes = made.work->bytes, d.origin.flops = made.work->flops;
  d.kernels = {kernel_number(std::move(made.kernel))};
  steps_->push_back(std::move(d));
}

std::string_view name(RowForm form) {
  switch (form) {
    case RowForm::int8: return "int8";
    case RowForm::bf16: return "bf16";
    case RowForm::apart: break;
  }
  return "apart";
}

Operand EntryLowering::place_of_rows(RowForm form, ValueId value) {
  const auto known = row_places_.find({form, value});
  if (known != row_places_.end()) return known->second;
  Shape shape = type(value).shape;
  const std::int64_t width = shape.back().constant();
  DType dtype = DType::f32;
  switch (form) {
    case RowForm::int8:
      dtype = DType::i32;
      shape.back() = Dim(width / kernels::kInt8Block);
      shape.push_back(Dim(kernels::kInt8BlockWords));
      break;
    case RowForm::bf16:
      dtype = DType::bf16;
      shape.front() = shape.front().plus(Dim(kernels::kBf16SpareRows));
      shape.back() = Dim(kernels::bf16_stride(width));
      break;
    case RowForm::apart: shape.back() = Dim(kernels::f32_stride(width)); break;
  }
  Operand place = scratch(fmt::format("{}_{}", name_of(*this, value), name(form)), dtype, std::move(shape));
  return row_places_[{form, value}] = std::move(place);
}

std::optional<Operand> EntryLowering::rows_wanted_in(RowForm form, ValueId value) {
  if (!rows_wanted_.contains({form, value}) || !rows_there_.insert({form, value}).second) return std::nullopt;
  return place_of_rows(form, value);
}

std::optional<Operand> EntryLowering::rows_instead_in(RowForm form, ValueId value) {
  const auto readers = readers_of_rows_.find({form, value});
  if (plain_ || readers == readers_of_rows_.end() || readers->second != uses_[value]) return std::nullopt;
  rows_there_.insert({form, value});
  rows_instead_.insert({form, value});
  return place_of_rows(form, value);
}

Operand EntryLowering::rows_in(RowForm form, ValueId value) {
  const Operand place = place_of_rows(form, value);
  if (!rows_there_.insert({form, value}).second) return place;
  const Shape& shape = type(value).shape;
  const std::string of = name_of(*this, value), kernel = fmt::format("to_{}", name(form)),
                    to = fmt::format("{}_{}", of, name(form));
  const DType apart = form == RowForm::bf16 ? DType::bf16 : DType::f32;
  const kernels::Extent rows = extent(Size::count(Shape(shape.begin(), shape.end() - 1))), width = extent(shape.back());
  kernels::TemplateKernel made =
      form == RowForm::int8
          ? kernels::to_int8(target(), {kernel + "_" + of, of, to, dtype(value), rows, width})
          : kernels::apart_rows(target(), {kernel + "_" + of, of, to, dtype(value), apart, rows, width});
  // It computes none of the group's nodes.
  std::set<NodeId> left_out = std::exchange(left_out_, {group_.nodes.begin(), group_.nodes.end()});
  dispatch(std::move(made), {{of, operand(value)}, {to, place}});
  left_out_ = std::move(left_out);
  const NodeId made_by = g_.values[value].node;
  Origin& origin = std::get<Dispatch>(steps_->back()).origin;
  origin.nodes = {to + " = " + kernel};
  origin.at = {made_by == kNoNode ? Location{} : g_.nodes[made_by].at};
  if (origin.at[0]) origin.lines = origin.at;
  const double count = elements(shape), blocks = count / static_cast<double>(kernels::kInt8Block);
  const double written = form == RowForm::int8 ? blocks * 4 * static_cast<double>(kernels::kInt8BlockWords)
                                               : count * info(apart).block_bytes;
  origin.bytes = count * info(dtype(value)).block_bytes + written;
  origin.flops = form == RowForm::apart ? 0 : (form == RowForm::int8 ? 2 : 1) * count;
  return place;
}

void EntryLowering::copy(Operand from, Operand to, Size elements) {
  Origin from_group = origin("its place is another");
  const DTypeInfo& stored = info(plan_.buffers[static_cast<std::size_t>(to.buffer)].dtype);
  from_group.bytes = 2 * static_cast<double>(upper(elements)) * stored.block_bytes;
  steps_->push_back(Copy{std::move(from), std::move(to), reduced(elements), std::move(from_group)});
}

}  // namespace openinfer::plan
