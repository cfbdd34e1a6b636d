// SPDX-License-Identifier: Apache-2.0
#include "tests/random/any_graph.h"

#include <algorithm>
#include <array>

#include "tests/sim/layout_model.h"

namespace openinfer::random_graphs {
namespace {

constexpr std::int64_t kMostElements = 2048;  // of a value, with N at its largest
constexpr int kDeepest = 2;

std::int64_t most_elements(const Shape& shape) {
  std::int64_t count = 1;
  for (const Dim& d : shape) count *= *d.value([](std::string_view) { return std::optional<std::int64_t>(kMostRows); });
  return count;
}

}  // namespace

void add_weights(sim_test::TestPackage& package) {
  opnf::Writer& w = package.writer();
  const auto blocks = [&](const std::string& key, const std::string& dtype, std::uint64_t rows, bool transposed) {
    opnf::TensorSpec spec;
    spec.key = key, spec.dtype = dtype, spec.shape = {rows, kWide}, spec.transposed = transposed;
    w.tensor(spec, sim_test::small_blocks(dtype, rows, static_cast<std::uint32_t>(rows + key.size())));
  };
  const auto floats = [&]<class T>(const std::string& key, T, bool transposed) {
    std::vector<T> values;
    for (int i = 0; i < kWide * kWide; ++i) values.emplace_back(static_cast<float>((i * 37) % 61 - 30) / 128.0f);
    package.add(key, {kWide, kWide}, values, transposed);
  };
  blocks("W.0", "q8_0", kWide, true), blocks("W.1", "q4_0", kWide, true), blocks("W.2", "q5_1", kWide, true);
  floats("V.0", float{}, false), floats("V.1", Half{}, false), floats("V.2", BFloat16{}, false);
  floats("U", Half{}, true);
  blocks("table", "q8_0", kTableRows, false);
  w.dim("ctx", kLeastContext, kMostContext);
}

Graph AnyGraph::make() {
  return graph(model_, [&](GraphBuilder& b) {
    b_ = &b;
    Scope scope;
    declare(b, scope);
    const std::size_t given = scope.size();
    grow(scope, 8 + pick(8), 0);
    if (scope.size() == given) scope.push_back(scope[0] + 1.0);
    const std::size_t first = std::max(given, scope.size() - std::min<std::size_t>(scope.size(), 6));
    for (std::size_t i = first; i < scope.size(); ++i) b.output("y" + std::to_string(i - first), scope[i]);
  });
}

void AnyGraph::declare(GraphBuilder& b, Scope& scope) {
  n_ = b.dim("N", 1, kMostRows);
  flag_ = b.input("flag", boolean, {});
  ids_ = b.input("ids", i32, {n_});
  pos_ = b.input("pos", i32, {n_});
  slot_ = b.input("slot", i32, {n_});
  scope = {b.input("x", f32, {n_, 4}),     b.input("h", f16, {n_, 4}),    b.input("u", u8, {n_, 4}),
           b.input("i", i32, {n_}),        b.input("d", f64, {4}),        b.input("k", i64, {2, 1, 4}),
           b.input("y", f32, {n_, kWide}), b.input("z", f32, {n_, kWide})};
  sum_.emplace(b.state("sum", tensor_state(f32, {4})));
  count_.emplace(b.state("count", tensor_state(i32, {2, 3})));
  cache_.emplace(b.state("kv", kv_cache({.layers = kLayers,
                                         .slots = kSlots,
                                         .capacity = b.dim("ctx"),
                                         .heads = 2,
                                         .head_dim = 8,
                                         .dtype = once_in(3) ? f16 : f32})));
}

void AnyGraph::use(std::string_view op) const {
  if (avoided_.contains(op)) give_up();
}

void AnyGraph::grow(Scope& scope, int count, int depth) {
  for (int tries = 0; count > 0 && tries < 60; ++tries) {
    try {
      Value v = step(scope, depth);
      if (most_elements(v.shape()) > kMostElements || v.shape().size() > 4) continue;
      scope.push_back(std::move(v));
      --count;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal) throw;
    }
  }
}

Value AnyGraph::step(const Scope& scope, int depth) {
  struct Kind {
    int weight;
    Value (AnyGraph::*make)(const Scope&);
  };
  static constexpr std::array kKinds = {Kind{8, &AnyGraph::elementwise}, Kind{2, &AnyGraph::converted},
                                        Kind{3, &AnyGraph::moved},       Kind{2, &AnyGraph::reduced},
                                        Kind{2, &AnyGraph::product},     Kind{1, &AnyGraph::normed},
                                        Kind{1, &AnyGraph::looked_up},   Kind{2, &AnyGraph::kept},
                                        Kind{1, &AnyGraph::attended},    Kind{1, &AnyGraph::made}};
  constexpr int kAll = 23, kLoops = 2, kBranches = 1;
  int at = pick(depth < kDeepest ? kAll + kLoops + kBranches : kAll);
  for (const Kind& kind : kKinds)
    if ((at -= kind.weight) < 0) return (this->*kind.make)(scope);
  return at < kLoops ? loop(scope, depth) : branch(scope, depth);
}

Value AnyGraph::any(const Scope& scope) {
  const int count = static_cast<int>(scope.size());
  return scope[static_cast<std::size_t>(std::max(pick(count), pick(count)))];
}

Value AnyGraph::any_float(const Scope& scope) {
  const Value x = any(scope);
  if (is_float(x.dtype())) return x;
  return settled(cast(x, f32));
}

Value AnyGraph::same_type(const Scope& scope, const TensorType& type) {
  for (std::size_t i = scope.size(); i-- > 0;)
    if (scope[i].type() == type) return scope[i];
  give_up();
}

std::optional<Value> AnyGraph::with_last(const Scope& scope, std::int64_t extent) {
  std::vector<Value> found;
  for (const Value& v : scope)
    if (!v.shape().empty() && v.shape().back() == Dim(extent) && is_float(v.dtype())) found.push_back(v);
  if (found.empty()) return std::nullopt;
  return found[static_cast<std::size_t>(pick(static_cast<int>(found.size())))];
}

Value AnyGraph::boolean_of(const Value& x) {
  if (x.dtype() == boolean) return x;
  return is_float(x.dtype()) ? lt(x, 0.375) : gt(x, 1);
}

Value AnyGraph::settled(const Value& x) {
  if (!is_float(x.dtype())) return x;
  return select(lt(abs(x), 64.0), x, once_in(2) ? 0.75 : -3.0);
}

Value AnyGraph::loop(const Scope& scope, int depth) {
  const Value first = any(scope), second = any(scope);
  const std::int64_t from = pick(2), to = from + pick(3);
  const std::optional<Index> around = turn_;
  const auto body = [&](const Index& l, std::vector<Value> carried) {
    turn_ = l;
    Scope inner = scope;
    inner.push_back(b_->value(l));
    inner.insert(inner.end(), carried.begin(), carried.end());
    grow(inner, 2 + pick(3), depth + 1);
    for (Value& v : carried) v = same_type(inner, v.type());
    turn_ = around;
    return carried;
  };
  if (once_in(2)) return b_->loop("l", from, to, first, [&](Index l, Value v) { return body(l, {v}).front(); });
  Value a, c;
  std::tie(a, c) = b_->loop("m", from, to, carry(first, second), [&](Index l, Value v, Value w) {
    const auto out = body(l, {v, w});
    return once_in(2) && v.type() == w.type() ? carry(out[1], out[0]) : carry(out[0], out[1]);
  });
  return once_in(2) ? a : c;
}

Value AnyGraph::branch(const Scope& scope, int depth) {
  const Value wanted = any(scope);
  const Value predicate = once_in(2) ? flag_ : lt(sum(any_float(scope)), 0.5);
  const auto body = [&] {
    Scope inner = scope;
    grow(inner, 1 + pick(3), depth + 1);
    return same_type(inner, wanted.type());
  };
  return b_->cond(predicate, body, body);
}

}  // namespace openinfer::random_graphs
