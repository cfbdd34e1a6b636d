// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/softmax.h"

#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/rows.h"

namespace openinfer::kernels {
namespace {

using kir::Mem;
using kir::Val;

/// The axis is the last: lanes along it.
TemplateKernel softmax_of_rows(kir::Build& k, const Softmax& what) {
  const Mem x = k.in("x", memory_kind(what.x));
  const Results results(k, what.tail, what.x, what.axis);
  const Rows rows(k, what.outer, what.axis);
  const Val width = value_of(k, what.axis);
  const kir::Kind kind = sum_kind(what.x);
  rows.each([&](Val row) {
    const kir::Reg largest = k.var("largest", kind, kir::Rate::lane, kLowest);
    rows.across("i", 0, width, [&](Val i) { largest = max(largest.value(), x[row * width + i]); });
    const Val top = rows.max("top", largest);
    const auto power = [&](Val i) { return scalar_call(k, "exp", {x[row * width + i] - top}); };
    const kir::Reg sum = k.var("sum", kind);
    rows.across("i", 0, width, [&](Val i) { sum += power(i); });
    const Val scale = k.let("scale", k.constant(1.0, kind) / rows.sum("total", sum));
    rows.across("i", 0, width, [&](Val i) { results.store(row, i, power(i) * scale); });
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = std::string(rows.reason())};
}

/// The axis is another: lanes beside each other along `inner`, each alone through the axis.
TemplateKernel softmax_of_columns(kir::Build& k, const Softmax& what) {
  const Mem x = k.in("x", memory_kind(what.x));
  const Results results(k, what.tail, what.x, what.inner);
  const kir::Kind kind = sum_kind(what.x);
  const Val length = value_of(k, what.axis), inner = value_of(k, what.inner);
  const Walk walk = over_axes(k, {what.outer, what.inner}, [&](const std::vector<Val>& at) {
    const auto row = [&](Val j) { return at[0] * length + j; };
    const auto place = [&](Val j) { return row(j) * inner + at[1]; };
    const kir::Reg largest = k.var("largest", kind, kir::Rate::lane, kLowest);
    k.for_("j", 0, length, [&](Val j) { largest = max(largest.value(), x[place(j)]); });
    const Val top = k.let("top", largest);
    const auto power = [&](Val j) { return scalar_call(k, "exp", {x[place(j)] - top}); };
    const kir::Reg sum = k.var("sum", kind);
    k.for_("j", 0, length, [&](Val j) { sum += power(j); });
    const Val scale = k.let("scale", k.constant(1.0, kind) / sum.value());
    k.for_("j", 0, length, [&](Val j) { results.store(row(j), at[1], power(j) * scale); });
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "a lane for each column: " + walk.reason};
}

}  // namespace

TemplateKernel softmax(const kir::Target& target, std::string name, const Softmax& what) {
  kir::Build k(std::move(name), target);
  return what.inner.is(1) ? softmax_of_rows(k, what) : softmax_of_columns(k, what);
}

}  // namespace openinfer::kernels
