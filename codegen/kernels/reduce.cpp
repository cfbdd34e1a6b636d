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

/// How lanes come together; absent where each lane has a result of its own.
struct Combine {
  std::function<Val(const char*, Val)> sum, max;
};

/// What one lane has of one result while it walks over elements.
class Partial {
 public:
  Partial(kir::Build& k, Fold fold, Kind kind, const Val& first)
      : k_(k), fold_(fold), kind_(kind), value_(k.var(fold_name(fold), kind, kir::Rate::lane, first)) {
    if (fold == Fold::argmax) at_.emplace(k.var("at", Kind::i32));
    if (fold == Fold::max && is_float(kind)) at_.emplace(k.var("is_nan", Kind::i32));
  }

  void add(const Val& x, const Val& j) const {
    if (fold_ == Fold::sum || fold_ == Fold::mean) {
      value_ += x;
    } else if (fold_ == Fold::max) {
      if (at_) *at_ = select(x != x, k_.constant(1), at_->value());
      value_ = max(value_.value(), x);
    } else {
      const Val best = value_;
      const Val better = is_float(kind_) ? best == best && (best < x || x != x) : best < x;
      *at_ = select(better, j, at_->value());
      value_ = select(better, x, best);
    }
  }

  Val result(const Val& count, const std::optional<Combine>& all) const {
    const auto over = [&](const char* name, const Val& v) { return all ? all->max(name, v) : k_.let(name, v); };
    if (fold_ == Fold::sum || fold_ == Fold::mean) {
      const Val total = all ? all->sum("total", value_) : value_.value();
      return fold_ == Fold::sum ? total : total / convert(count, kind_);
    }
    if (fold_ == Fold::max) {
      const Val top = over("top", value_);
      return at_ ? select(over("any_nan", *at_) != 0, nan(), top) : top;
    }
    return all ? first_of_largest(over) : at_->value();
  }

 private:
  static const char* fold_name(Fold fold) { return fold == Fold::sum || fold == Fold::mean ? "sum" : "largest"; }

  Val nan() const {
    const Val f32 = bitcast(k_.constant(0x7fc00000u, Kind::u32), Kind::f32);
    return convert(f32, kind_);
  }

  /// The lane that has the largest, of several the first place: the largest of -place.
  template <class Over>
  Val first_of_largest(const Over& over) const {
    const Val best = value_, at = *at_, none = k_.constant(std::numeric_limits<std::int32_t>::min() + 1);
    const Val top = over("top", best);
    Val has = best == top;
    if (is_float(kind_)) {
      const Val is_nan = best != best;
      const Val any_nan = over("any_nan", select(is_nan, k_.constant(1), 0)) != 0;
      has = (any_nan && is_nan) || (!any_nan && has);
    }
    return -over("first", select(has, -at, none));
  }

  kir::Build& k_;
  Fold fold_;
  Kind kind_;
  Reg value_;
  std::optional<Reg> at_;  // argmax: the place; max of floats: 1 once there was a NaN
};

/// A sum of 8 or 16 bit integers lies in 32: the tail sees it as its dtype holds it.
Val wrapped(kir::Build& k, const Reduce& what, const Val& result) {
  const bool narrow_sum = what.fold == Fold::sum && is_int(what.x) && info(what.x).bits < 32;
  if (!narrow_sum) return result;
  const ScalarExpr sum = ScalarExpr::parameter("sum", compute_kind(what.x));
  return code_of(k, narrow(sum, what.x), {{"sum", result}});
}

bool starts_at_first(Fold fold) { return fold == Fold::max || fold == Fold::argmax; }

TemplateKernel along_rows(kir::Build& k, const Reduce& what, const Mem& x, const Results& results) {
  const Rows rows(k, what.outer, what.reduced);
  const Val width = value_of(k, what.reduced);
  rows.each([&](Val row) {
    const Kind kind = kir::info(memory_kind(what.x)).in_register;
    const Val start = k.let("start", row * width);
    const Partial partial(k, what.fold, kind, starts_at_first(what.fold) ? x[start].load() : Val(0));
    rows.across("j", 0, width, [&](Val j) { partial.add(x[start + j], j); });
    const Combine all = {[&](const char* name, Val v) { return rows.sum(name, v); },
                         [&](const char* name, Val v) { return rows.max(name, v); }};
    results.store(row, k.constant(0), wrapped(k, what, partial.result(width, all)));
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = std::string(rows.reason())};
}

TemplateKernel along_columns(kir::Build& k, const Reduce& what, const Mem& x, const Results& results) {
  const Val length = value_of(k, what.reduced), inner = value_of(k, what.inner);
  const Walk walk = over_axes(k, {what.outer, what.inner}, [&](const std::vector<Val>& at) {
    const Kind kind = kir::info(memory_kind(what.x)).in_register;
    const auto element = [&](const Val& j) { return x[(at[0] * length + j) * inner + at[1]].load(); };
    const Partial partial(k, what.fold, kind, starts_at_first(what.fold) ? element(0) : Val(0));
    k.for_("j", 0, length, [&](Val j) { partial.add(element(j), j); });
    results.store(at[0], at[1], wrapped(k, what, partial.result(length, std::nullopt)));
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "a lane for each column: " + walk.reason};
}

}  // namespace

TemplateKernel reduce(const kir::Target& target, std::string name, const Reduce& what) {
  kir::Build k(std::move(name), target);
  const Mem x = k.in("x", memory_kind(what.x));
  const DType result = what.fold == Fold::argmax ? DType::i32 : what.x;
  const Results results(k, what.tail, result, what.inner);
  return what.inner.is(1) ? along_rows(k, what, x, results) : along_columns(k, what, x, results);
}

}  // namespace openinfer::kernels
