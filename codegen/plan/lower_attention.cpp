// SPDX-License-Identifier: Apache-2.0
// sdpa over a cache, where it lies, or over what was computed.
#include <cmath>

#include "codegen/kernels/attention.h"
#include "codegen/plan/lower_functions.h"
#include "codegen/plan/tail.h"

namespace openinfer::plan {
namespace {

enum SdpaOperand : std::size_t { kQuery, kKeys, kValues, kMask, kPos, kSlot, kSinks, kSlopes };

bool has(const Node& n, SdpaOperand i) { return n.operands.size() > i && n.operands[i] != kNoValue; }

/// Which of the scores' axes (rows, H, queries, keys) the mask has.
kernels::Attention::Mask mask_of(const GroupLowering& l, ValueId mask) {
  const Shape& own = l.type(mask).shape;
  kernels::Attention::Mask result = {.dtype = l.dtype(mask), .moves = {}};
  for (std::size_t d = 0; d < own.size(); ++d) result.moves[4 - own.size() + d] = !(own[d] == Dim(1));
  return result;
}

kernels::Attention attention_of(GroupLowering& l, const Node& n) {
  const Shape &q = l.type(n.operands[kQuery]).shape, &k = l.type(n.operands[kKeys]).shape;
  const auto number = [&](std::string_view name) { return std::get<double>(l.attribute(n, name)); };
  const bool dense = q.size() == 4;
  const std::int64_t D = k[3].constant();
  kernels::Attention a = {.name = "attention", .rows = l.extent(q[0]), .keys = l.extent(k[2]), .slots = l.extent(k[0])};
  a.q = l.dtype(n.operands[kQuery]);
  a.kv = l.dtype(n.operands[kKeys]);
  a.dense = dense;
  if (dense) a.queries = l.extent(q[2]);
  a.heads = dense ? q[1].constant() : q[1].constant() / D;
  a.kv_heads = k[1].constant();
  a.head_dim = D;
  a.has_pos = has(n, kPos);
  a.has_slot = has(n, kSlot);
  a.causal = std::get<bool>(l.attribute(n, "causal"));
  a.window = std::get<std::int64_t>(l.attribute(n, "window"));
  a.softcap = number("softcap");
  a.scale = number("scale") > 0 ? number("scale") : 1 / std::sqrt(static_cast<double>(D));
  a.bf16 = l.numerics() == Numerics::fast;
  if (has(n, kMask)) a.mask = mask_of(l, n.operands[kMask]);
  if (has(n, kSinks)) a.sinks = l.dtype(n.operands[kSinks]);
  if (has(n, kSlopes)) a.slopes = l.dtype(n.operands[kSlopes]);
  return a;
}

/// Few rows: two kernels, the first of which leaves parts of a row's sums.
void lower_in_parts(GroupLowering& l, const kernels::Attention& what, ValueId q, ValueId y, Bindings bind) {
  const std::string name = name_of(l, y);
  const Shape parts = {l.type(q).shape[0], Dim(what.heads), Dim(kernels::attention_parts_of(l.target()))};
  const auto scratch = [&](const char* of, std::int64_t each) {
    Shape shape = parts;
    shape.push_back(Dim(each));
    return l.scratch(name + of, DType::f32, std::move(shape));
  };
  bind["part_sums"] = scratch("_part_sums", what.head_dim);
  bind["part_weights"] = scratch("_part_weights", 2);
  l.dispatch(kernels::attention_parts(l.target(), what), bind);
  l.dispatch(kernels::attention_from_parts(l.target(), what), bind);
}

}  // namespace

void lower_attention(GroupLowering& l) {
  if (l.group().read != kNoNode) l.lower_alone(l.group().read);
  const Node& n = l.node(l.group().head);
  if (l.dtype(n.operands[kQuery]) == DType::f64)
    l.unsupported(n, "devices compute it in f32 only, not in f64; cast the queries");
  Bindings bind = {
      {"q", l.operand(n.operands[kQuery])}, {"k", l.operand(n.operands[kKeys])}, {"v", l.operand(n.operands[kValues])}};
  if (has(n, kMask)) bind["mask"] = l.operand(n.operands[kMask]);
  if (has(n, kPos)) bind["pos"] = l.operand(n.operands[kPos]);
  if (has(n, kSlot)) bind["slot"] = l.operand(n.operands[kSlot]);
  if (has(n, kSinks)) bind["sinks"] = l.operand(n.operands[kSinks]);
  if (has(n, kSlopes)) bind["slopes"] = l.operand(n.operands[kSlopes]);
  kernels::Attention what = attention_of(l, n);
  std::optional<Operand> blocks;
  if (kernels::stores_int8_attention(l.target(), what)) blocks = l.rows_instead_in(RowForm::int8, n.results[0]);
  what.int8 = blocks.has_value();
  bind["y"] = blocks ? *blocks : l.operand(n.results[0]);
  if (kernels::has_attention_parts(l.target(), what))
    return lower_in_parts(l, what, n.operands[kQuery], n.results[0], std::move(bind));
  if (kernels::has_attention_units(l.target(), what)) {
    l.note_rows_in(RowForm::bf16, l.group().head);
    if (!l.target().mma) l.note_rounded_scores(l.group().head);
  }
  l.dispatch(kernels::attention(l.target(), what), bind);
}

}  // namespace openinfer::plan
