// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/gather.h"

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/rows.h"

namespace openinfer::kernels {

using kir::Mem;
using kir::Val;

TemplateKernel gather(const kir::Target& target, std::string name, const Gather& what) {
  kir::Build k(std::move(name), target);
  const StoredMatrix table(k, "table", what.table);
  const Mem ids = k.in("ids", memory_kind(what.ids));
  const Results results(k, what.tail, table.in_blocks() ? DType::f32 : what.table, what.inner);
  const Val entries = value_of(k, what.entries), inner = value_of(k, what.inner), count = value_of(k, what.count);
  const Walk walk = over_axes(k, {what.outer, what.count, what.inner}, [&](const std::vector<Val>& at) {
    const Val id = convert(ids[at[1]], kir::Kind::i32);
    const Val entry = k.let("entry", max(min(id, entries - 1), 0));
    const Val row = at[0] * count + at[1];
    const auto step = [&](std::size_t d) { return value_of(k, what.steps[d]); };
    if (table.in_blocks() || what.steps.empty())
      results.store(row, at[2], table.element(at[0] * entries + entry, inner, at[2]));
    else
      results.store(row, at[2], table.memory()[at[0] * step(0) + entry * step(1) + at[2] * step(2)]);
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "lanes along a row: " + walk.reason};
}

}  // namespace openinfer::kernels
