// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/reduce.h"

#include <functional>
#include <limits>
#include <optional>

#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/rows.h"

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Mem;
using kir::Reg;
using kir::Val;
using Fold = Reduce::Fold;

bool is_sum(Fold fold) { return fold == Fold::sum || fold == Fold::mean; }
bool is_place(Fold fold) { return fold == Fold::argmax || fold == Fold::argmin; }
bool is_extreme(Fold fold) { return fold == Fold::max || fold == Fold::min; }

/// How lanes come together; absent where each lane has a result of its own.
struct Combine {
  std::function<Val(const char*, Val)> sum, max, min;
};

/// What one lane has of one result while it walks over elements.
class Partial {
 public:
  Partial(kir::Build& k, const Reduce& what, Kind kind, const Val& first, kir::Rate rate = kir::Rate::lane)
      : k_(k),
        fold_(what.fold),
        last_(what.last),
        largest_(what.fold == Fold::max || what.fold == Fold::argmax),
        kind_(kind),
        value_(k.var(name_of_fold(), kind, rate, first)) {
    if (is_place(fold_)) at_.emplace(k.var("at", Kind::i32));
    if (is_extreme(fold_) && is_float(kind)) at_.emplace(k.var("is_nan", Kind::i32));
  }

  void start(const Val& x) const { value_ = x; }
  void add(const Val& x, const Val& j) const {
    if (is_sum(fold_)) {
      value_ += x;
    } else if (fold_ == Fold::prod) {
      value_ *= x;
    } else if (is_extreme(fold_)) {
      if (at_) *at_ = select(x != x, k_.constant(1), at_->value());
      value_ = largest_ ? max(value_.value(), x) : min(value_.value(), x);
    } else {
      const Val best = value_;
      const Val better = is_better(best, x);
      *at_ = select(better, j, at_->value());
      value_ = select(better, x, best);
    }
  }

  Val result(const Val& count, const std::optional<Combine>& all) const {
    if (fold_ == Fold::prod) return value_.value();  // never of several lanes
    if (is_sum(fold_)) {
      const Val total = all ? all->sum("total", value_) : value_.value();
      return fold_ == Fold::sum ? total : total / convert(count, kind_);
    }
    if (!is_extreme(fold_)) return all ? place_among(*all) : at_->value();
    const Val top = furthest(all, value_);
    return at_ ? select((all ? all->max("any_nan", *at_) : k_.let("any_nan", *at_)) != 0, nan(), top) : top;
  }

 private:
  const char* name_of_fold() const {
    if (fold_ == Fold::prod) return "product";
    return is_sum(fold_) ? "sum" : largest_ ? "largest" : "smallest";
  }

  Val nan() const {
    const Val f32 = bitcast(k_.constant(0x7fc00000u, Kind::u32), Kind::f32);
    return convert(f32, kind_);
  }
  Val furthest(const std::optional<Combine>& all, const Val& value) const {
    const char* name = largest_ ? "top" : "bottom";
    if (!all) return k_.let(name, value);
    return largest_ ? all->max(name, value) : all->min(name, value);
  }

  /// Does x, which comes later, take the place of the best?
  Val is_better(const Val& best, const Val& x) const {
    const Val further = last_ ? (largest_ ? best <= x : x <= best) : (largest_ ? best < x : x < best);
    if (!is_float(kind_)) return further;
    if (last_) return x != x || (best == best && further);
    return best == best && (further || x != x);
  }

  /// The lane that has the furthest, of several the first place: the largest of -place; or the last.
  Val place_among(const Combine& all) const {
    const Val best = value_, at = *at_, none = k_.constant(std::numeric_limits<std::int32_t>::min() + 1);
    const Val top = furthest(all, best);
    Val has = best == top;
    if (is_float(kind_)) {
      const Val is_nan = best != best;
      const Val any_nan = all.max("any_nan", select(is_nan, k_.constant(1), 0)) != 0;
      has = (any_nan && is_nan) || (!any_nan && has);
    }
    if (last_) return all.max("last", select(has, at, none));
    return -all.max("first", select(has, -at, none));
  }

  kir::Build& k_;
  Fold fold_;
  bool last_, largest_;
  Kind kind_;
  Reg value_;
  std::optional<Reg> at_;  // of a place: itself; max and min of floats: 1 once there was a NaN
};

/// A sum or product of 8 or 16 bit integers lies in 32: the tail sees it as its dtype holds it.
Val wrapped(kir::Build& k, const Reduce& what, const Val& result) {
  const bool may_leave = what.fold == Fold::sum || what.fold == Fold::prod;
  if (!may_leave || !is_int(what.x) || info(what.x).bits >= 32) return result;
  const ScalarExpr sum = ScalarExpr::parameter("sum", compute_kind(what.x));
  return code_of(k, narrow(sum, what.x), {{"sum", result}});
}

bool may_be_empty(const Reduce& what) {
  return (is_extreme(what.fold) || is_place(what.fold)) && !what.reduced.known();
}

/// What a lane has before its first element: `element` is any that it will see, if there is one.
template <class Element>
Val start_of(kir::Build& k, const Reduce& what, Kind kind, const Element& element) {
  if ((is_extreme(what.fold) || is_place(what.fold)) && !may_be_empty(what)) return element();
  if (what.fold != Fold::prod) return Val(0);
  return is_float(kind) ? k.constant(1.0, kind) : k.constant(1, kind);
}

TemplateKernel along_rows(kir::Build& k, const Reduce& what, const Mem& x, const Results& results) {
  const Rows rows(k, what.outer, what.reduced);
  const Val width = value_of(k, what.reduced);
  rows.each([&](Val row) {
    const Kind kind = kir::info(memory_kind(what.x)).in_register;
    const Val start = k.let("start", row * width);
    const Partial partial(k, what, kind, start_of(k, what, kind, [&] { return x[start].load(); }));
    if (may_be_empty(what)) k.if_(width > 0, [&] { partial.start(x[start].load()); });
    rows.across("j", 0, width, [&](Val j) { partial.add(x[start + j], j); });
    const Combine all = {[&](const char* name, Val v) { return rows.sum(name, v); },
                         [&](const char* name, Val v) { return rows.max(name, v); },
                         [&](const char* name, Val v) { return rows.min(name, v); }};
    results.store(row, k.constant(0), wrapped(k, what, partial.result(width, all)));
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = std::string(rows.reason())};
}

TemplateKernel along_columns(kir::Build& k, const Reduce& what, const Mem& x, const Results& results) {
  const Val length = value_of(k, what.reduced), inner = value_of(k, what.inner);
  const Walk walk = over_axes(k, {what.outer, what.inner}, [&](const std::vector<Val>& at) {
    const Kind kind = kir::info(memory_kind(what.x)).in_register;
    const auto element = [&](const Val& j) { return x[(at[0] * length + j) * inner + at[1]].load(); };
    const Partial partial(k, what, kind, start_of(k, what, kind, [&] { return element(0); }));
    if (may_be_empty(what)) k.if_(length > 0, [&] { partial.start(element(0)); });
    k.for_("j", 0, length, [&](Val j) { partial.add(element(j), j); });
    results.store(at[0], at[1], wrapped(k, what, partial.result(length, std::nullopt)));
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "a lane for each column: " + walk.reason};
}

/// A product is one chain of roundings: each lane has a row of its own; of one row all lanes have the same.
TemplateKernel by_lanes(kir::Build& k, const Reduce& what, const Mem& x, const Results& results) {
  const Val length = value_of(k, what.reduced);
  const bool one = what.outer.is(1);
  const std::vector<Extent> axes = one ? std::vector<Extent>{} : std::vector<Extent>{what.outer};
  const Walk walk = over_axes(k, axes, [&](const std::vector<Val>& at) {
    const Kind kind = kir::info(memory_kind(what.x)).in_register;
    const Val row = one ? k.constant(0) : at[0];
    const kir::Rate rate = one ? kir::Rate::group : kir::Rate::lane;
    const Partial partial(k, what, kind, start_of(k, what, kind, [&] { return Val(0); }), rate);
    k.for_("j", 0, length, [&](Val j) { partial.add(x[row * length + j], j); });
    results.store(row, k.constant(0), wrapped(k, what, partial.result(length, std::nullopt)));
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "a lane for each row: " + walk.reason};
}

}  // namespace

TemplateKernel reduce(const kir::Target& target, std::string name, const Reduce& what) {
  kir::Build k(std::move(name), target);
  const Mem x = k.in("x", memory_kind(what.x));
  const DType result = is_place(what.fold) ? DType::i32 : what.x;
  const Results results(k, what.tail, result, what.inner);
  if (what.inner.is(1) && what.fold == Fold::prod) return by_lanes(k, what, x, results);
  return what.inner.is(1) ? along_rows(k, what, x, results) : along_columns(k, what, x, results);
}

}  // namespace openinfer::kernels
