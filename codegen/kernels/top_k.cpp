// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/top_k.h"

#include <functional>
#include <limits>

#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/rows.h"
#include "codegen/kernels/sort_key.h"

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Mem;
using kir::Rate;
using kir::Reg;
using kir::Val;

constexpr std::int32_t kNoPlace = std::numeric_limits<std::int32_t>::max();

std::int64_t end_of_keys(Kind kind, bool largest) {
  if (kind == Kind::i64) return largest ? INT64_MAX : INT64_MIN;
  return largest ? INT32_MAX : INT32_MIN;
}

/// What was taken last: all that comes behind it in the order is left.
struct Taken {
  Reg key, at;
  Taken(kir::Build& k, Kind kind, Rate rate)
      : key(k.var("last_key", kind, rate, k.constant(end_of_keys(kind, true), kind))),
        at(k.var("last_at", Kind::i32, rate, -1)) {}
  void become(const Val& next_key, const Val& next_at) const {
    key = next_key;
    at = next_at;
  }
};

/// The first of what is left, among the elements that one lane sees in the order of their places.
class Next {
 public:
  Next(kir::Build& k, Kind kind, const Taken& taken)
      : k_(k),
        taken_(taken),
        key_(k.var("best", kind, Rate::lane, k.constant(end_of_keys(kind, false), kind))),
        at_(k.var("best_at", Kind::i32, Rate::lane, kNoPlace)) {}

  void add(const Val& element_key, const Val& j) const {
    const Val key = k_.let("key", element_key);
    const Val last = taken_.key, best = key_;
    const Val is_left = key < last || (key == last && j > taken_.at.value());
    const Val is_better = k_.let("is_better", is_left && (at_.value() == kNoPlace || key > best));
    key_ = select(is_better, key, best);
    at_ = select(is_better, j, at_.value());
  }
  Val key() const { return key_; }
  Val at() const { return at_; }

 private:
  kir::Build& k_;
  const Taken& taken_;
  Reg key_, at_;
};

struct TopKBuffers {
  Mem x, values, indices;
};

/// The axis is the last: lanes along it.
TemplateKernel top_k_along_rows(kir::Build& k, const TopK& what, const TopKBuffers& b) {
  const Rows rows(k, what.outer, what.axis);
  const Kind kind = key_kind(what.x);
  const Val width = value_of(k, what.axis);
  rows.each([&](Val row) {
    const Val start = k.let("start", row * width);
    const Taken taken(k, kind, Rate::subgroup);
    k.for_("r", 0, what.k, [&](Val r) {
      const Next next(k, kind, taken);
      rows.across("j", 0, width, [&](Val j) { next.add(sort_key(k, b.x[start + j], what.x), j); });
      const Val top = rows.max("top", next.key());
      // Of several lanes that have it, the first place: the largest of −place.
      const Val at = k.let("at", -rows.max("first", select(next.key() == top, -next.at(), k.constant(-kNoPlace))));
      const Val to = k.let("to", row * what.k + r);
      b.values[to] = b.x[start + at];
      b.indices[to] = at;
      taken.become(top, at);
    });
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = std::string(rows.reason())};
}

/// The axis is another: lanes beside each other along `inner`, each alone through the axis.
TemplateKernel top_k_along_columns(kir::Build& k, const TopK& what, const TopKBuffers& b) {
  const Kind kind = key_kind(what.x);
  const Val length = value_of(k, what.axis), inner = value_of(k, what.inner);
  const Walk walk = over_axes(k, {what.outer, what.inner}, [&](const std::vector<Val>& at) {
    const auto place = [&](const Val& j) { return (at[0] * length + j) * inner + at[1]; };
    const Taken taken(k, kind, Rate::lane);
    k.for_("r", 0, what.k, [&](Val r) {
      const Next next(k, kind, taken);
      k.for_("j", 0, length, [&](Val j) { next.add(sort_key(k, b.x[place(j)], what.x), j); });
      const Val to = k.let("to", (at[0] * what.k + r) * inner + at[1]);
      const Val best = k.let("at", next.at());
      b.values[to] = b.x[place(best)];
      b.indices[to] = best;
      taken.become(next.key(), best);
    });
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "a lane for each column: " + walk.reason};
}

}  // namespace

TemplateKernel top_k(const kir::Target& target, std::string name, const TopK& what) {
  kir::Build k(std::move(name), target);
  TopKBuffers b;
  b.x = k.in("x", key_memory(what.x));
  b.values = k.out("values", key_memory(what.x));
  b.indices = k.out("indices", Kind::i32);
  return what.inner.is(1) ? top_k_along_rows(k, what, b) : top_k_along_columns(k, what, b);
}

}  // namespace openinfer::kernels
