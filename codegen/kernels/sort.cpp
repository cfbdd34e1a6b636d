// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/sort.h"

#include <functional>
#include <optional>

#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/sort_key.h"

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Mem;
using kir::Reg;
using kir::Val;

/// A kernel for each element: where it is, and where places of its row lie.
class SortedElements {
 public:
  SortedElements(kir::Build& k, const Sorting& what) : k_(k), what_(what), x_(k.in("x", key_memory(what.x))) {}

  Val length() const { return value_of(k_, what_.axis); }
  /// Keys rise in the order that is wanted.
  Val key(const Val& place) const {
    const Val key = sort_key(k_, x_[place], what_.x);
    return what_.descending ? ~key : key;
  }
  /// f(place in the row, place of the row's element j in memory)
  using Body = std::function<void(const Val& j, const std::function<Val(const Val&)>& place)>;
  Walk each(const Body& f) const {
    const Val n = length();
    if (what_.inner.is(1))
      return over_axes(k_, {what_.outer, what_.axis},
                       [&](const std::vector<Val>& at) { f(at[1], [&](const Val& j) { return at[0] * n + j; }); });
    const Val inner = value_of(k_, what_.inner);
    return over_axes(k_, {what_.outer, what_.axis, what_.inner}, [&](const std::vector<Val>& at) {
      f(at[1], [&](const Val& j) { return (at[0] * n + j) * inner + at[2]; });
    });
  }
  void declare_results() {
    to_ = k_.out("to", Kind::i32);
    if (what_.values) values_ = k_.out("values", key_memory(what_.x));
  }
  /// The element of place `from` in memory, which is the row's number `id`, goes to place `to`.
  void store(const Val& to, const Val& id, const Val& from) const {
    to_[to] = id;
    if (values_) (*values_)[to] = x_[from];
  }

 private:
  kir::Build& k_;
  const Sorting& what_;
  Mem x_, to_;
  std::optional<Mem> values_;
};

}  // namespace

TemplateKernel sort_runs(const kir::Target& target, std::string name, const Sorting& what) {
  kir::Build k(std::move(name), target);
  SortedElements elements(k, what);
  elements.declare_results();
  const bool one_run = what.axis.known() && what.axis.value <= kSortRun;
  const Val n = elements.length();
  const Walk walk = elements.each([&](const Val& j, const auto& place) {
    const Val from = k.let("from", place(j));
    const Val key = k.let("key", elements.key(from));
    const Val start = one_run ? k.constant(0) : k.let("start", j - j % kSortRun);
    const Reg before = k.var("before", Kind::i32);
    k.for_("m", 0, one_run ? n : k.constant(kSortRun), [&](Val m) {
      const Val other = one_run ? m : start + m;
      const Val there = one_run ? place(m) : place(min(other, n - 1));
      const Val other_key = k.let("other_key", elements.key(there));
      const Val precedes = other_key < key || (other_key == key && other < j);
      before += select(one_run ? precedes : precedes && other < n, k.constant(1), 0);
    });
    elements.store(k.let("to_place", place(start + before.value())), j, from);
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "each element counts what precedes it: " + walk.reason};
}

TemplateKernel merge_runs(const kir::Target& target, std::string name, const Sorting& what, std::int64_t run) {
  kir::Build k(std::move(name), target);
  SortedElements elements(k, what);
  const Mem from = k.in("from", Kind::i32);
  elements.declare_results();
  int steps = 1;  // of a search among up to `run` elements
  while ((std::int64_t{1} << steps) <= run) ++steps;
  const Val n = elements.length();
  const Walk walk = elements.each([&](const Val& p, const auto& place) {
    const Val id = k.let("id", from[place(p)]);
    const Val own = k.let("own", place(id));
    const Val key = k.let("key", elements.key(own));
    const Val pair = k.let("pair", p - p % (2 * run));
    const Val is_left = k.let("is_left", p < pair + run);
    // The other run of the pair, in which it is found how many elements precede this one.
    const Val first = k.let("first", min(select(is_left, pair + run, pair), n));
    const Reg low = k.var("low", Kind::i32, kir::Rate::lane, first);
    const Reg high = k.var("high", Kind::i32, kir::Rate::lane, min(first + run, n));
    k.for_("step", 0, steps, [&](Val) {
      const Val bottom = low, top = high;
      const Val middle = k.let("middle", (bottom + top) / 2);
      const Val other_key = k.let("other_key", elements.key(place(from[place(min(middle, n - 1))])));
      const Val precedes = k.let("precedes", other_key < key || (other_key == key && !is_left));
      low = select(bottom < top && precedes, middle + 1, bottom);
      high = select(bottom < top && !precedes, middle, top);
    });
    const Val rank = low.value() - first + p;
    elements.store(k.let("to_place", place(select(is_left, rank, rank - run))), id, own);
  });
  return {.kernel = k.done(),
          .grid = walk.grid,
          .reason = "each element looks for its place in the other run: " + walk.reason};
}

}  // namespace openinfer::kernels
