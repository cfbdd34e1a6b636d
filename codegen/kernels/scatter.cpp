// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/scatter.h"

#include <functional>

#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/sort_key.h"

namespace openinfer::kernels {
namespace {

using kir::Mem;
using kir::Reg;
using kir::Val;

struct ScatterBuffers {
  Mem x, ids, updates, y;
};

/// y[to] = the last update whose id is `entry`, else x[to]. There is an update.
void take_last(kir::Build& k, const ScatterBuffers& b, const Val& count, const Val& id, const Val& to,
               const std::function<Val(Val j)>& update) {
  const Reg last = k.var("last", kir::Kind::i32, kir::Rate::lane, -1);
  k.for_("j", 0, count, [&](Val j) { last = select(b.ids[j] == id, j, last.value()); });
  const Val found = k.let("found", last.value());
  b.y[to] = select(found < 0, b.x[to].load(), b.updates[update(max(found, 0))].load());
}

void add_all(kir::Build& k, const ScatterBuffers& b, const Val& count, const Val& id, const Val& to,
             const std::function<Val(Val j)>& update) {
  const Val x = b.x[to];
  const Reg sum = k.var("sum", x.kind(), kir::Rate::lane, x);
  k.for_("j", 0, count, [&](Val j) {
    const Val added = k.let("added", sum + b.updates[update(j)]);
    sum = select(b.ids[j] == id, added, sum.value());
  });
  b.y[to] = sum.value();
}

}  // namespace

TemplateKernel scatter(const kir::Target& target, std::string name, const Scatter& what) {
  kir::Build k(std::move(name), target);
  // What is only moved keeps its bits.
  const kir::Kind bits = what.x == DType::boolean ? kir::Kind::u8 : key_memory(what.x);
  const kir::Kind kind = what.add ? memory_kind(what.x) : bits;
  ScatterBuffers b;
  b.x = k.in("x", kind);
  b.ids = k.in("ids", memory_kind(what.ids));
  b.updates = k.in("updates", kind);
  b.y = k.out("y", kind);
  const Val entries = value_of(k, what.entries), count = value_of(k, what.count), inner = value_of(k, what.inner);
  const Walk walk = over_axes(k, {what.outer, what.entries, what.inner}, [&](const std::vector<Val>& at) {
    const Val to = k.let("to_place", (at[0] * entries + at[1]) * inner + at[2]);
    const Val id = convert(at[1], memory_kind(what.ids));
    const auto update = [&](Val j) { return (at[0] * count + j) * inner + at[2]; };
    if (what.add)
      add_all(k, b, count, id, to, update);
    else
      k.if_(
          count > 0, [&] { take_last(k, b, count, id, to, update); }, [&] { b.y[to] = b.x[to].load(); });
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "each element looks for what is put there: " + walk.reason};
}

}  // namespace openinfer::kernels
