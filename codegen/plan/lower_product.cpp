// SPDX-License-Identifier: Apache-2.0
// matmul and linear: alone, as siblings, behind a norm, with a tail.
#include <fmt/format.h>

#include <algorithm>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/few_rows.h"
#include "codegen/kernels/outer.h"
#include "codegen/kernels/outer_mma.h"
#include "codegen/kernels/outer_tiles.h"
#include "codegen/kernels/product.h"
#include "codegen/kernels/product_mma.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"

namespace openinfer::plan {
namespace {

using kernels::Product;

bool transposes(const GroupLowering& l, const Node& n) {
  return n.op->name == "matmul" && std::get<bool>(l.attribute(n, "transpose_w"));
}

Product::Weight weight_of(GroupLowering& l, const Node& n, Bindings& bind) {
  const ReadAs w = read_as(l, n.operands[1]);
  const bool by_rows = transposes(l, n) != l.transposed(w.stored);
  const Shape& shape = l.type(w.stored).shape;
  const std::string wanted = name_of(l, w.stored);
  std::string name = wanted;
  for (int i = 2; bind.contains(name); ++i) name = wanted + "_" + std::to_string(i);
  bind_stored(l, n.operands[1], name, bind);
  Product::Weight weight = {.name = name,
                            .dtype = l.dtype(w.stored),
                            .columns = l.extent(shape[transposes(l, n) ? 0 : 1]),
                            .by_rows = by_rows,
                            .bias = {},
                            .layout = l.layout(w.stored),
                            .affine = w.affine};
  if (n.op->name == "linear") {
    weight.bias = name + "_bias";
    weight.bias_dtype = l.dtype(n.operands[2]);
    bind[weight.bias] = l.operand(n.operands[2]);
  }
  return weight;
}

Product::Siblings siblings_of(FusedGroup::Siblings s) {
  switch (s) {
    case FusedGroup::Siblings::one: return Product::Siblings::one;
    case FusedGroup::Siblings::stacked: return Product::Siblings::stacked;
    case FusedGroup::Siblings::zipped: return Product::Siblings::zipped;
  }
  return Product::Siblings::one;
}

/// The tail's nodes that come from one product: of stacked siblings no node sees two.
std::vector<NodeId> tail_from(const GroupLowering& l, NodeId product) {
  std::vector<ValueId> seen = {l.node(product).results[0]};
  std::vector<NodeId> nodes;
  for (const NodeId n : l.group().tail) {
    const auto& operands = l.node(n).operands;
    const bool follows = std::any_of(operands.begin(), operands.end(),
                                     [&](ValueId v) { return std::find(seen.begin(), seen.end(), v) != seen.end(); });
    if (!follows) continue;
    nodes.push_back(n);
    seen.push_back(l.node(n).results[0]);
  }
  return nodes;
}

kernels::Extent rows_of(GroupLowering& l, const Shape& x) {
  return l.extent(Size::count(Shape(x.begin(), x.end() - 1)));
}

/// Of a family that of each member.
std::vector<DType> dtypes_of(const GroupLowering& l, ValueId w) {
  const std::vector<DType>& members = l.graph().values[w].dtypes;
  return members.empty() ? std::vector<DType>{l.type(w).dtype} : members;
}

/// Why a fast product multiplies its activations as they are; "": it rounds them to 8 bits. Of families whose members
/// differ in dtype all must have bytes, since every turn has the same dispatches.
std::string why_not_int8(const GroupLowering& l, const FusedGroup& group) {
  if (l.target().dot4 == Dot4::none) return "the device has no integer dot product";
  for (const NodeId id : group.products) {
    const Node& n = l.node(id);
    const ValueId w = n.operands[1];
    if (l.dtype(n.operands[0]) == DType::f64) return "sums of f64 stay f64";
    for (const DType dtype : dtypes_of(l, w))
      if (!kernels::has_byte_code(dtype)) return fmt::format("{} has no bytes for integer dot products", name(dtype));
    if (transposes(l, n) == l.transposed(w)) return "weights lie by columns";
  }
  return "";
}

/// Why the weight of that product is not one that is rounded to bf16 as it lies in rows; "": it is. Of families all
/// members must be such, as above.
std::string why_no_rounded_rows(GroupLowering& l, const Node& n) {
  const ReadAs w = read_as(l, n.operands[1]);
  if (w.affine) return fmt::format("{} is quantised with scales of its own", name_of(l, w.stored));
  if (transposes(l, n) == l.transposed(w.stored)) return fmt::format("{} lies by columns", name_of(l, w.stored));
  for (const DType dtype : dtypes_of(l, w.stored))
    if (!kernels::is_half(dtype) && (l.target().mma || dtype != DType::f32))
      return fmt::format("{} is {} in rows", name_of(l, w.stored), name(dtype));
  return "";
}

/// Why dot products of pairs of bf16 do not serve that many rows: tiles of many, or columns of few.
std::string why_no_pairs(GroupLowering& l, const FusedGroup& group, const kernels::Extent& rows, std::int64_t K) {
  const bool in_rows = std::all_of(group.products.begin(), group.products.end(), [&](NodeId id) {
    const Node& n = l.node(id);
    return l.layout(read_as(l, n.operands[1]).stored) == kernels::Layout::rows && why_no_rounded_rows(l, n).empty();
  });
  return in_rows && kernels::are_few_bf16_rows(rows) ? kernels::why_no_few_bf16_rows(l.target(), rows, K)
                                                     : kernels::why_no_bf16_tiles(l.target(), rows, K);
}

/// Why a product of several rows does not multiply bf16, by matrix units if the target has some, else by dot products
/// of pairs; "": it does.
std::string why_not_bf16(GroupLowering& l, const FusedGroup& group) {
  const Node& first = l.node(group.products.front());
  const Shape& x = l.type(first.operands[0]).shape;
  if (!x.back().is_constant()) return "the depth of the product is not known";
  if (l.dtype(first.operands[0]) == DType::f64) return "sums of f64 stay f64";
  const kernels::Extent rows = rows_of(l, x);
  const std::int64_t K = x.back().constant();
  const bool units = l.target().mma.has_value();
  if (!units)
    if (std::string no = why_no_pairs(l, group, rows, K); !no.empty()) return no;
  for (const NodeId id : group.products) {
    const Node& n = l.node(id);
    if (l.layout(read_as(l, n.operands[1]).stored) == kernels::Layout::panel16) continue;
    if (std::string no = why_no_rounded_rows(l, n); !no.empty()) return no;
  }
  if (!units) return "";
  const std::size_t at_once = group.siblings == FusedGroup::Siblings::zipped ? group.products.size() : 1;
  return kernels::why_no_outer_mma(l.target(), rows, K, at_once);
}

/// How the rows of a product lie for the kernel, and what the plan says of that.
struct Form {
  std::optional<RowForm> rows;  // nothing: as they are
  std::string why = {};         // behind the kernel's reason
};
Form bf16_form_of(GroupLowering& l, const FusedGroup& group) {
  const std::string why = why_not_bf16(l, group);
  return why.empty() ? Form{RowForm::bf16, ""} : Form{{}, "; f32: " + why};
}
Form fast_form_of(GroupLowering& l, const FusedGroup& group) {
  const std::optional<MmaShape>& mma = l.target().mma;
  const Shape& x = l.type(l.node(group.products.front()).operands[0]).shape;
  const bool bf16 = mma && mma->operand == DType::bf16;
  const bool many = mma && rows_of(l, x).value >= (bf16 ? kernels::kOuterMmaRows : kernels::kMmaRows);
  const bool of_bf16 = many && bf16;
  // Prompts go to matrix units, of f16 as they are.
  if (many && !of_bf16) return {{}, ""};
  const std::string not_bf16 = of_bf16 ? why_not_bf16(l, group) : "";
  if (of_bf16 && not_bf16.empty()) return {RowForm::bf16, ""};
  const std::string and_not = of_bf16 ? "; not by matrix units: " + not_bf16 : "";
  if (const std::string why = why_not_int8(l, group); !why.empty()) {
    if (!mma && why_not_bf16(l, group).empty()) return {RowForm::bf16, "; not int8: " + why};
    return {{}, "; f32: " + why + and_not};
  }
  return {RowForm::int8, fmt::format("; int8 dot: the device has dot4 {}{}", name(l.target().dot4), and_not)};
}
Form form_of(GroupLowering& l, const FusedGroup& group) {
  switch (l.numerics()) {
    case Numerics::strict: return {};
    case Numerics::bf16: return bf16_form_of(l, group);
    case Numerics::fast: return fast_form_of(l, group);
  }
  return {};
}

bool is_batched(const GroupLowering& l) {
  return l.type(l.node(l.group().products.front()).operands[1]).shape.size() != 2;
}

void lower_batched(GroupLowering& l, NodeId id) {
  const Node& n = l.node(id);
  const ValueId y = n.results[0];
  const Shape &x = l.type(n.operands[0]).shape, &w = l.type(n.operands[1]).shape, &shape = l.type(y).shape;
  kernels::BatchedProduct p;
  const ReadAs stored = read_as(l, n.operands[1]);
  p.name = "matmul_" + identifier(l.graph().values[y].name);
  p.x = l.dtype(n.operands[0]);
  p.w = l.dtype(stored.stored);
  p.affine = stored.affine;
  p.w_by_rows = transposes(l, n) != l.transposed(stored.stored);
  const bool vector = x.size() == 1;
  const std::size_t batch = shape.size() - (vector ? 1 : 2);
  const auto moves = [&](const Shape& own, std::size_t own_leading, std::size_t d) {
    const std::size_t missing = batch - own_leading;
    return d >= missing && !(own[d - missing] == Dim(1));
  };
  for (std::size_t d = 0; d < batch; ++d) {
    p.batch.push_back(l.extent(shape[d]));
    p.x_moves.push_back(moves(x, vector ? 0 : x.size() - 2, d));
    p.w_moves.push_back(moves(w, w.size() - 2, d));
  }
  p.rows = vector ? kernels::Extent{1} : l.extent(shape[shape.size() - 2]);
  p.columns = l.extent(shape.back());
  p.inner = l.extent(x.back());
  // The result's own axes, one for each; a vector has a row of its own.
  p.tail.axes = p.batch;
  p.tail.axes.push_back(p.rows);
  p.tail.axes.push_back(p.columns);
  p.tail.given = {l.dtype(y)};
  p.tail.outputs = {{"y", l.dtype(y), 0}};
  Bindings bind = {{"x", l.operand(n.operands[0])}, {"y", l.operand(y)}};
  bind_stored(l, n.operands[1], "w", bind);
  p.codebooks = bind_codebooks(l, n.operands[1], bind);
  l.dispatch(kernels::batched_product(l.target(), p), bind);
}

}  // namespace

bool bind_codebooks(GroupLowering& l, ValueId value, std::map<std::string, Operand>& bind) {
  std::vector<DType> dtypes = l.graph().values[value].dtypes;
  dtypes.push_back(l.dtype(value));
  if (std::none_of(dtypes.begin(), dtypes.end(), kernels::needs_codebooks)) return false;
  const std::vector<std::uint16_t> entries = kernels::codebook_entries();
  bind[std::string(kernels::kCodebooks)] =
      l.constant(kernels::kCodebooks, Tensor(entries, {static_cast<std::int64_t>(entries.size())}));
  return true;
}

std::optional<RowForm> rows_of_products(GroupLowering& l) {
  return is_batched(l) ? std::nullopt : form_of(l, l.group()).rows;
}

void lower_product(GroupLowering& l) {
  const FusedGroup& group = l.group();
  const Node& first = l.node(group.products.front());
  const bool batched = is_batched(l);
  const Shape& x = l.type(first.operands[0]).shape;
  const Form form = batched ? Form() : form_of(l, group);
  const bool bf16 = form.rows == RowForm::bf16;
  if (form.rows && group.norm != kNoNode) l.want_rows_in(*form.rows, first.operands[0]);
  if (group.norm != kNoNode) l.lower_alone(group.norm);
  if (batched) {
    l.leave_out(group.tail);
    for (const NodeId p : group.products) lower_batched(l, p);
    for (const NodeId n : group.tail) l.lower_alone(n);
    return;
  }
  Product what;
  what.x = bf16 ? DType::bf16 : l.dtype(first.operands[0]);
  what.rows = rows_of(l, x);
  what.inner = l.extent(x.back());
  if (!what.inner.known()) l.unsupported(first, "a product over a dimension that is not known has no kernel yet");
  what.siblings = siblings_of(group.siblings);
  what.name = "matmul";
  what.int8 = form.rows == RowForm::int8;
  what.bf16 = bf16;
  Bindings bind;
  std::vector<std::vector<ValueId>> given(what.siblings == Product::Siblings::stacked ? group.products.size() : 1);
  std::vector<std::vector<NodeId>> tails(given.size());
  for (const NodeId p : group.products)
    what.codebooks = bind_codebooks(l, l.node(p).operands[1], bind) || what.codebooks;
  for (std::size_t i = 0; i < group.products.size(); ++i) {
    const Node& n = l.node(group.products[i]);
    what.weights.push_back(weight_of(l, n, bind));
    what.name += "_" + what.weights.back().name;
    const std::size_t place = given.size() == 1 ? 0 : i;
    given[place].push_back(n.results[0]);
    tails[place] = given.size() == 1 ? group.tail : tail_from(l, group.products[i]);
  }
  what.apart = !form.rows && kernels::wants_apart_rows(l.target(), what);
  const std::optional<RowForm> rows = what.apart ? RowForm::apart : form.rows;
  what.of = name_of(l, first.operands[0]) + (rows ? fmt::format("_{}", name(*rows)) : "");
  bind[what.of] = rows ? l.rows_in(*rows, first.operands[0]) : l.operand(first.operands[0]);
  std::vector<NodeId> alone;
  const bool in_blocks = kernels::stores_int8_rows(l.target(), what);
  for (std::size_t i = 0; i < given.size(); ++i) {
    bool rest = false;
    Tail tail = row_tail(l, tails[i], given[i], bind, rest, in_blocks);
    if (rest) alone.insert(alone.end(), tails[i].begin(), tails[i].end());
    what.tails.push_back(std::move(tail.pointwise));
    bind.insert(tail.bind.begin(), tail.bind.end());
  }
  l.leave_out(alone);
  kernels::TemplateKernel kernel = kernels::product(l.target(), what);
  kernel.reason += form.why;
  if (form.rows)
    for (const NodeId p : group.products) l.note_rows_in(*form.rows, p);
  l.dispatch(std::move(kernel), bind);
  for (const NodeId n : alone) l.lower_alone(n);
}

}  // namespace openinfer::plan
