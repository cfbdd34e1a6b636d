// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/cumsum.h"

#include <functional>

#include "codegen/kernels/over_axes.h"

namespace openinfer::kernels {
namespace {

using kir::Mem;
using kir::Rate;
using kir::Reg;
using kir::Val;

/// The axis is the last: a subgroup for each row, a piece of it for each lane, twice over: what each piece adds up to,
/// then the elements on top of the pieces before.
TemplateKernel cumsum_along_rows(kir::Build& k, const Cumsum& what, const Mem& x, const Mem& y) {
  const kir::Kind kind = kir::info(memory_kind(what.x)).in_register;
  const Val rows = value_of(k, what.outer), width = value_of(k, what.axis), lanes = k.constant(k.lanes());
  const Val row = k.let("row", k.subgroup_global());
  k.if_(row < rows, [&] {
    const Val start = k.let("start", row * width);
    const Val piece = k.let("piece", max((width + (lanes - 1)) / lanes, 1));
    // Element c of each lane's piece; lanes whose piece has ended sit out.
    const auto each = [&](const std::function<void(Val at)>& body) {
      k.for_("c", 0, piece, [&](Val c) {
        k.for_lanes("l", 0, min(lanes, (width - c + (piece - 1)) / piece), [&](Val l) { body(start + l * piece + c); });
      });
    };
    const Reg sum = k.var("sum", kind);
    if (k.lanes() > 1) {
      const Reg own = k.var("own", kind);
      each([&](Val at) { own += x[at]; });
      k.for_("l", 0, k.lanes() - 1, [&](Val l) {
        const Val before = k.let("before", k.lane_get(own, l));
        sum += select(l < k.lane(), before, k.constant(0, kind));
      });
    }
    each([&](Val at) {
      sum += x[at];
      y[at] = sum.value();
    });
  });
  return {.kernel = k.done(),
          .grid = {{what.outer, k.target().subgroups}},
          .reason = "a subgroup for each row, a piece of it for each lane"};
}

/// The axis is another: lanes beside each other along `inner`, each alone through the axis.
TemplateKernel cumsum_along_columns(kir::Build& k, const Cumsum& what, const Mem& x, const Mem& y) {
  const kir::Kind kind = kir::info(memory_kind(what.x)).in_register;
  const Val length = value_of(k, what.axis), inner = value_of(k, what.inner);
  const Walk walk = over_axes(k, {what.outer, what.inner}, [&](const std::vector<Val>& at) {
    const Reg sum = k.var("sum", kind);
    k.for_("j", 0, length, [&](Val j) {
      const Val place = k.let("place", (at[0] * length + j) * inner + at[1]);
      sum += x[place];
      y[place] = sum.value();
    });
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "a lane for each column: " + walk.reason};
}

}  // namespace

TemplateKernel cumsum(const kir::Target& target, std::string name, const Cumsum& what) {
  kir::Build k(std::move(name), target);
  const Mem x = k.in("x", memory_kind(what.x)), y = k.out("y", memory_kind(what.x));
  return what.inner.is(1) ? cumsum_along_rows(k, what, x, y) : cumsum_along_columns(k, what, x, y);
}

}  // namespace openinfer::kernels
