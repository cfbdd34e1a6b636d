// SPDX-License-Identifier: Apache-2.0
// One function a kind of step: operators on values that are there.
#include <algorithm>
#include <array>

#include "tests/random/any_graph.h"

namespace openinfer::random_graphs {
namespace {

constexpr std::array kPlain = {f32, f32, f16, bf16, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean};

bool broadcasts(const Shape& a, const Shape& b) {
  for (std::size_t i = 1; i <= std::min(a.size(), b.size()); ++i) {
    const Dim &x = a[a.size() - i], &y = b[b.size() - i];
    if (!(x == y) && !(x == Dim(1)) && !(y == Dim(1))) return false;
  }
  return true;
}

/// Elementwise operators whose results are no larger than their operands by much.
bool keeps_size(std::string_view op) {
  static constexpr std::array<std::string_view, 24> kNames = {
      "abs", "and", "cos", "eq",  "erf", "ge",   "gelu",   "gelu_tanh", "gt",   "le",  "lt",   "max",
      "min", "ne",  "neg", "not", "or",  "relu", "select", "sigmoid",   "silu", "sin", "tanh", "sign"};
  return std::find(kNames.begin(), kNames.end(), op) != kNames.end();
}

const std::vector<const OpDef*>& elementwise_ops() {
  static const std::vector<const OpDef*> all = [] {
    std::vector<const OpDef*> found;
    for (const OpDef* op : OpSet::builtin().all())
      if (op->traits.elementwise && op->attributes.empty() && op->traits.state == StateUse::none) found.push_back(op);
    return found;
  }();
  return all;
}

}  // namespace

/// Another operand for an elementwise operator: a value that broadcasts with the first.
Value AnyGraph::partner(const Scope& scope, const Value& first) {
  for (int tries = 0; tries < 8; ++tries) {
    const Value v = any(scope);
    if (broadcasts(v.shape(), first.shape())) return v.dtype() == first.dtype() ? v : settled(cast(v, first.dtype()));
  }
  return first;
}

OptionalIn AnyGraph::operand(const OpDef& op, std::size_t number, const Scope& scope, const Value& first) {
  if (!op.operands[number].shares_dtype) return boolean_of(any(scope));
  if (number == 0 || (number == 1 && !op.operands[0].shares_dtype)) return first;
  if (op.name == "div") return abs(partner(scope, first)) + 0.5;
  if (first.dtype() == boolean || !once_in(3)) return partner(scope, first);
  return is_float(first.dtype()) ? OptionalIn((pick(33) - 16) * 0.25) : OptionalIn(pick(7) + 1);
}

Value AnyGraph::elementwise(const Scope& scope) {
  const auto& ops = elementwise_ops();
  const OpDef& op = *ops[static_cast<std::size_t>(pick(static_cast<int>(ops.size())))];
  use(op.name);
  Value first = any(scope);
  if (op.name == "exp") first = min(any_float(scope), 4.0);
  if (op.name == "log" || op.name == "sqrt" || op.name == "rsqrt") first = abs(any_float(scope)) + 0.25;
  if ((op.name == "and" || op.name == "or" || op.name == "not") && (once_in(2) || is_float(first.dtype())))
    first = boolean_of(first);
  const auto with = [&](const Value& x) {
    std::vector<OptionalIn> operands;
    for (std::size_t i = 0; i < op.operands.size(); ++i) operands.push_back(operand(op, i, scope, x));
    return openinfer::apply(op, operands).front();
  };
  Value y;
  try {
    y = with(first);
  } catch (const Error& error) {  // it takes other dtypes
    if (error.code() == ErrorCode::internal) throw;
    y = with(settled(cast(first, f32)));
  }
  if (once_in(8)) y = y % hints{.fuse = false};
  const bool small = keeps_size(op.name) || ((op.name == "add" || op.name == "sub") && once_in(2));
  return small ? y : settled(y);
}

Value AnyGraph::converted(const Scope& scope) {
  use("cast");
  const DType to = kPlain[static_cast<std::size_t>(pick(kPlain.size()))];
  if (once_in(6)) return cast(b_->value(model_[once_in(2) ? "V.1" : "W.0"]), once_in(2) ? f32 : f16);
  return settled(cast(any(scope), to));
}

Value AnyGraph::turned(const Value& x, const Shape& shape) {
  use("transpose");
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < shape.size(); ++i) order.push_back(static_cast<std::int64_t>(i));
  std::shuffle(order.begin(), order.end(), random_);
  return transpose(x, order);
}

/// Neighbours become one dimension, or one becomes two.
Value AnyGraph::reshaped(const Value& x, const Shape& shape) {
  use("reshape");
  if (shape.empty()) return reshape(x, {1, 1});
  const auto at = static_cast<std::size_t>(pick(static_cast<int>(shape.size())));
  Shape to = shape;
  if (at + 1 < shape.size() && shape[at + 1].is_constant() && once_in(2)) {
    to[at] = to[at] * shape[at + 1].constant();
    to.erase(to.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  } else if (shape[at].is_constant() && shape[at].constant() % 2 == 0 && shape[at].constant() > 0) {
    to[at] = shape[at].constant() / 2;
    to.insert(to.begin() + static_cast<std::ptrdiff_t>(at) + pick(2), 2);
  } else {
    to.insert(to.begin() + static_cast<std::ptrdiff_t>(at), 1);
  }
  return reshape(x, to);
}

Value AnyGraph::sliced(const Value& x, const Shape& shape) {
  use("slice");
  if (shape.empty()) give_up();
  const int axis = pick(static_cast<int>(shape.size()));
  const Dim& extent = shape[static_cast<std::size_t>(axis)];
  if (!extent.is_constant()) return slice(x, {.axis = axis, .begin = 0, .end = extent});
  const int size = static_cast<int>(extent.constant());
  if (size == 0) give_up();
  const int begin = pick(size), end = begin + 1 + pick(size - begin);
  return slice(x, {.axis = axis, .begin = begin, .end = end, .step = 1 + pick(2)});
}

Value AnyGraph::moved(const Scope& scope) {
  const Value x = any(scope);
  const Shape shape = x.shape();
  switch (pick(6)) {
    case 0: return turned(x, shape);
    case 1: return reshaped(x, shape);
    case 2: return sliced(x, shape);
    case 3: {
      use("broadcast");
      Shape to = shape;
      for (Dim& d : to)
        if (d == Dim(1)) d = 1 + pick(3);
      to.insert(to.begin(), 1 + pick(3));
      return broadcast(x, to);
    }
    default: {
      use("concat");
      if (shape.empty()) give_up();
      const Value other = once_in(2) ? x : same_type(scope, x.type());
      return concat({x, other}, pick(static_cast<int>(shape.size())));
    }
  }
}

Value AnyGraph::reduced(const Scope& scope) {
  const int kind = pick(5);
  const Value x = kind == 1 || kind == 4 ? any_float(scope) : any(scope);
  const int rank = static_cast<int>(x.shape().size());
  Over over = {.axes = {}, .keepdims = once_in(2)};
  for (int a = 0; a < rank; ++a)
    if (once_in(2)) over.axes.push_back(once_in(3) ? a - rank : a);
  if (kind == 0) return use("sum"), settled(sum(x, over));
  if (kind == 1) return use("mean"), mean(x, over);
  if (kind == 2) return use("reduce_max"), max(x, over);
  if (rank == 0) give_up();
  if (kind == 3) return use("argmax"), argmax(x, pick(rank), once_in(2));
  return use("softmax"), softmax(x, pick(rank) - rank);
}

Value AnyGraph::constant(Extents shape) {
  Tensor t(f32, shape);
  for (float& v : t.mutable_data<float>()) v = static_cast<float>(pick(33) - 16) * 0.0625f;
  return b_->constant(std::move(t));
}

Value AnyGraph::product(const Scope& scope) {
  use("matmul");
  if (once_in(2)) {
    const auto x = with_last(scope, kWide);
    if (!x) give_up();
    if (turn_ && once_in(2)) return settled(matmul(*x, once_in(2) ? model_("W.{}", *turn_) : model_("V.{}", *turn_)));
    static constexpr std::array kKeys = {"W.0", "W.1", "W.2", "V.0", "V.1", "V.2", "U"};
    return settled(matmul(*x, model_[kKeys[static_cast<std::size_t>(pick(kKeys.size()))]]));
  }
  const Value x = any_float(scope);
  const Shape shape = x.shape();
  if (shape.empty() || !shape.back().is_constant() || shape.back().constant() > kWide) give_up();
  const std::int64_t K = shape.back().constant(), M = once_in(2) ? 4 : 1 + pick(9);
  if (once_in(3)) {
    use("linear");
    const Value w = constant({K, M}), b = constant({M});
    return settled(linear(x, w, b));
  }
  if (once_in(4)) return settled(matmul(x, constant({M, K}), {.transpose_w = true}));
  return settled(matmul(x, constant({K, M})));
}

Value AnyGraph::normed(const Scope& scope) {
  const Value x = any_float(scope);
  const Shape shape = x.shape();
  if (shape.empty() || !shape.back().is_constant() || shape.back().constant() == 0) give_up();
  const Extents width = {shape.back().constant()};
  const Value w = constant(width), b = constant(width);
  if (once_in(2)) return use("rms_norm"), settled(rms_norm(x, w));
  return use("layer_norm"), settled(layer_norm(x, w, b));
}

Value AnyGraph::looked_up(const Scope& scope) {
  use("gather");
  switch (pick(4)) {
    case 0: return gather(constant({kTableRows, 1 + pick(5)}), ids_);
    case 1: return gather(model_["table"], ids_);
    case 2: {  // places that the graph computes
      const Value x = any(scope);
      if (is_float(x.dtype()) || x.dtype() == boolean || x.shape().size() > 2) give_up();
      return gather(constant({kTableRows, 3}), and_(cast(x, once_in(2) ? i32 : i64), 7));
    }
    default: {
      const Value x = any(scope);
      if (x.shape().empty() || !x.shape().back().is_constant() || x.shape().back().constant() < 3) give_up();
      return gather(x, b_->constant(Tensor(std::vector<std::int32_t>{2, 0, 1, 2}, {4})),
                    static_cast<std::int64_t>(x.shape().size()) - 1);
    }
  }
}

Value AnyGraph::kept(const Scope& scope) {
  if (once_in(2)) {
    const Value seen = state_read(*count_);
    state_write(*count_, seen * 3 + (turn_ ? b_->value(*turn_) : b_->value(1)));
    return seen;
  }
  const auto x = with_last(scope, 4);
  if (!x) give_up();
  std::vector<std::int64_t> axes;
  for (std::size_t a = 0; a + 1 < x->shape().size(); ++a) axes.push_back(static_cast<std::int64_t>(a));
  const Value one = axes.empty() ? *x : mean(*x, {.axes = axes});
  const Value seen = state_read(*sum_);
  state_write(*sum_, settled(seen * 0.5 + cast(one, f32)));
  return once_in(2) ? seen : *x + cast(seen, x->dtype());
}

/// Rotated keys and values into the cache, queries of four heads against its two.
Value AnyGraph::attended(const Scope& scope) {
  use("sdpa");
  std::vector<Value> rows;
  for (const Value& v : scope)
    if (v.shape() == Shape{n_, kWide} && v.dtype() == f32) rows.push_back(v);
  if (rows.empty()) give_up();
  const auto some = [&] { return rows[static_cast<std::size_t>(pick(static_cast<int>(rows.size())))]; };
  if (once_in(3)) {  // the dense form: 2 heads over N rows
    const auto heads = [&] { return transpose(reshape(some(), {1, n_, 4, 8}), {0, 2, 1, 3}); };
    const Value q = heads(), k = heads(), v = heads();
    return reshape(transpose(sdpa(q, k, v, {.causal = once_in(2)}), {0, 2, 1, 3}), {n_, kWide});
  }
  const auto half = [&] { return slice(some(), {.axis = 1, .begin = 0, .end = kWide / 2}); };
  const In layer = turn_ && once_in(2) ? In(*turn_) : In(pick(kLayers));
  const Rope turned = {.head_dim = 8};
  const Value k = half() | rope(pos_, turned), v = half();
  kv_write(*cache_, {.layer = layer, .pos = pos_, .slot = slot_}, k, v);
  const auto [keys, values] = kv_read(*cache_, {.layer = layer});
  Attention how = {.pos = pos_, .slot = slot_};
  if (once_in(3)) how.window = 3;
  if (once_in(3)) how.softcap = 5.0;
  return sdpa(some() | rope(pos_, turned), keys, values, how);
}

Value AnyGraph::made(const Scope&) {
  switch (pick(3)) {
    case 0: return use("iota"), iota(*b_, {n_, 4}, pick(2), once_in(2) ? i32 : f32);
    case 1: return use("fill"), fill(*b_, {2, n_}, pick(9) - 4, once_in(2) ? i16 : f16);
    default: return constant({1 + pick(3), 4});
  }
}

}  // namespace openinfer::random_graphs
