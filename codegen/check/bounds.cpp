// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/bounds.h"

#include <algorithm>
#include <cmath>

#include "codegen/check/elementwise_bounds.h"
#include "codegen/check/op_bounds.h"
#include "lib/base/fail.h"
#include "lib/base/narrow.h"
#include "lib/graph/infer.h"
#include "lib/ops/builtin.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/scalar_eval.h"
#include "lib/passes/fused_group.h"

namespace openinfer::check {
namespace {

/// Element of `own` that broadcasts to each element of `shape`.
std::vector<std::size_t> places(const Extents& own, const Extents& shape) {
  std::vector<std::size_t> all(static_cast<std::size_t>(element_count(shape)));
  std::vector<std::size_t> steps(shape.size());
  std::size_t step = 1;
  for (std::size_t d = own.size(); d-- > 0;) {
    steps[shape.size() - own.size() + d] = own[d] == 1 ? 0 : step;
    step *= static_cast<std::size_t>(own[d]);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::size_t rest = i;
    for (std::size_t d = shape.size(); d-- > 0; rest /= static_cast<std::size_t>(shape[d]))
      all[i] += rest % static_cast<std::size_t>(shape[d]) * steps[d];
  }
  return all;
}

bool is_exact(const Bounded& b) {
  return std::all_of(b.error.begin(), b.error.end(), [](double e) { return e == 0; });
}

Bounded exactly(std::vector<double> numbers) {
  Bounded b = {std::move(numbers), {}};
  b.error.assign(b.value.size(), 0);
  return b;
}

bool is_long(DType dtype) { return dtype == DType::i64 || dtype == DType::u64; }

/// A cast that rounds a number once where arithmetic in f32 and the store's rounding would do it twice.
bool rounds_once(DType from, DType to) {
  return is_float8(to) || to == DType::f16 || to == DType::bf16 || (to == DType::f32 && is_long(from));
}

/// 64-bit integers as doubles that round to anything shorter as they do themselves.
std::vector<double> sticky_numbers(const Tensor& tensor) {
  std::vector<double> all;
  for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.count()); ++i) {
    const std::uint64_t bits = load_element(tensor.dtype(), tensor.bytes().data(), i);
    all.push_back(is_signed_int(tensor.dtype()) ? sticky_double(static_cast<std::int64_t>(bits)) : sticky_double(bits));
  }
  return all;
}

/// Likewise what a cast to 16 or 8 bits hands to the store.
Bounded rounded_to_odd(const Bounded& x) {
  Bounded y = x;
  for (std::size_t i = 0; i < x.value.size(); ++i) {
    if (!std::isfinite(x.error[i]) || is_open_ended(x.value[i], x.error[i])) continue;
    y.value[i] = round_to_odd(x.value[i]);
    if (x.error[i] == 0) continue;
    const double low = round_to_odd(x.value[i] - x.error[i]), high = round_to_odd(x.value[i] + x.error[i]);
    y.error[i] = low == high ? 0 : std::max(y.value[i] - low, high - y.value[i]);
  }
  return y;
}

}  // namespace

bool Bounds::is_computed_in(ValueId v, int dispatch) const {
  const NodeId id = g_.values[v].node;
  if (id == kNoNode) return false;
  const Node& n = g_.nodes[id];
  if (is_leaf(n) || n.op == &loop_op() || n.op == &cond_op() || n.op->traits.view ||
      n.op->traits.state != StateUse::none)
    return false;
  const auto seen = seen_.find(v);
  // Who reads through it has the simulator's numbers: two operations, each rounded to f32.
  if (seen == seen_.end() && n.op->name == "affine") return false;
  return seen == seen_.end() || seen->second == dispatch;
}

Bounded Bounds::operand(ValueId v, int dispatch) {
  if (!is_computed_in(v, dispatch)) return exactly(numbers_of(values_.tensor(v)));
  if (!seen_.contains(v)) fused_.insert(v);
  Bounded b = result(v, dispatch);
  // It is in a register, rounded to its dtype as in the simulator or to f32: both are within its unit, or it is an
  // infinity there and a number here.
  const DType dtype = g_.values[v].type.dtype;
  for (std::size_t i = 0; i < b.value.size(); ++i) {
    if (!std::isfinite(b.value[i]) || (b.error[i] == 0 && rounded(dtype, b.value[i]) == b.value[i])) continue;
    b.error[i] += unit(dtype) * (std::abs(b.value[i]) + b.error[i]);
    const double least = std::abs(b.value[i]) - b.error[i], most = std::abs(b.value[i]) + b.error[i];
    if (std::isfinite(rounded(dtype, most))) continue;
    b.error[i] = least > 0 ? least : INFINITY;
    if (least > 0) b.value[i] = std::copysign(INFINITY, b.value[i]);
  }
  return b;
}

/// Its expression works on bits, of which elementwise() knows nothing.
Bounded Bounds::cast_result(const Node& node, int dispatch) {
  const ValueId v = node.operands[0];
  const DType from = g_.values[v].type.dtype, to = g_.values[node.results[0]].type.dtype;
  Bounded x = operand(v, dispatch);
  if (is_long(from) && is_exact(x)) x.value = sticky_numbers(values_.tensor(v));
  if (to != DType::f32) x = rounded_to_odd(x);
  if (const Attribute* saturate = node.attributes.find("saturate"); saturate && std::get<bool>(*saturate))
    for (std::size_t i = 0; i < x.value.size(); ++i) {
      if (is_open_ended(x.value[i], x.error[i])) x.error[i] = std::isinf(rounded(to, x.error[i])) ? 0 : INFINITY;
      if (std::isinf(rounded(to, x.value[i])))
        x.value[i] = std::copysign(to == DType::f16 ? 65504 : 0x1.fep127, x.value[i]);
    }
  return x;
}

Bounded Bounds::elementwise_result(const Node& node, int dispatch) {
  const Tensor stored = values_.tensor(node.results[0]);
  if (node.op == &cast_op() && rounds_once(g_.values[node.operands[0]].type.dtype, stored.dtype()))
    return cast_result(node, dispatch);
  std::vector<ScalarExpr> parameters;
  std::vector<Bounded> columns;
  bool exact = true;
  for (const ValueId v : node.operands) {
    const Bounded own = operand(v, dispatch);
    exact = exact && is_exact(own);
    parameters.push_back(ScalarExpr::parameter("x", compute_kind(g_.values[v].type.dtype)));
    Bounded& column = columns.emplace_back();
    for (const std::size_t at : places(values_.tensor(v).shape(), stored.shape())) {
      column.value.push_back(own.value[at]);
      column.error.push_back(own.error[at]);
    }
  }
  // Whole numbers and truth have no rounding: the same bits, wrapped or not.
  if (exact && !is_float(stored.dtype())) return exactly(numbers_of(stored));
  const ScalarFn function = std::get<ScalarFn>(*openinfer::lower(g_, node));
  return elementwise(function(parameters), parameters, columns);
}

Bounded Bounds::result(ValueId v, int dispatch) {
  const Node& node = g_.nodes[g_.values[v].node];
  if (is_elementwise(g_, node)) return elementwise_result(node, dispatch);
  for (const ValueId o : node.operands)
    if (o != kNoValue && g_.values[o].state < 0 && is_computed_in(o, dispatch))
      fail_at(node.at, ErrorCode::internal, "[check] {} reads '{}' before anybody can see it", node.op->name,
              g_.values[o].name);
  return op_bound(
      {node, values_, pool_, int8_products_.contains(v), bf16_products_.contains(v), bf16_scores_.contains(v), v});
}

}  // namespace openinfer::check
