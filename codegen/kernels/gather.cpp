// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/gather.h"

#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/rows.h"

namespace openinfer::kernels {

using kir::Mem;
using kir::Val;

TemplateKernel gather(const kir::Target& target, std::string name, const Gather& what) {
  kir::Build k(std::move(name), target);
  const Mem table = k.in("table", memory_kind(what.table)), ids = k.in("ids", memory_kind(what.ids));
  const Results results(k, what.tail, what.table, what.inner);
  const Val entries = value_of(k, what.entries), inner = value_of(k, what.inner), count = value_of(k, what.count);
  const Walk walk = over_axes(k, {what.outer, what.count, what.inner}, [&](const std::vector<Val>& at) {
    const Val id = convert(ids[at[1]], kir::Kind::i32);
    const Val entry = k.let("entry", max(min(id, entries - 1), 0));
    const Val place = what.transposed ? at[2] * entries + entry : (at[0] * entries + entry) * inner + at[2];
    results.store(at[0] * count + at[1], at[2], table[place]);
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "lanes along a row: " + walk.reason};
}

}  // namespace openinfer::kernels
