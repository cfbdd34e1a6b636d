// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/gather.h"

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/over_axes.h"
#include "codegen/kernels/rows.h"
#include "lib/ops/convert_expr.h"

namespace openinfer::kernels {

using kir::Mem;
using kir::Val;

TemplateKernel gather(const kir::Target& target, std::string name, const Gather& what) {
  kir::Build k(std::move(name), target);
  if (what.codebooks) codebooks(k);
  const bool decodes = info(what.table).block_size != 1 || what.affine;
  const StoredMatrix table(k, "table", what.table, what.layout, {}, what.affine);
  const Mem ids = k.in("ids", memory_kind(what.ids));
  const Results results(k, what.tail, decodes ? DType::f32 : what.table, what.inner);
  const Val entries = value_of(k, what.entries), inner = value_of(k, what.inner), count = value_of(k, what.count);
  const Walk walk = over_axes(k, {what.outer, what.count, what.inner}, [&](const std::vector<Val>& at) {
    const Val id = ids[at[1]], last = convert(entries - 1, id.kind());  // an i64 is clamped as what it is
    const Val entry = k.let("entry", convert(max(min(id, last), k.constant(0, id.kind())), kir::Kind::i32));
    const Val row = at[0] * count + at[1];
    const auto step = [&](std::size_t d) { return value_of(k, what.steps[d]); };
    if (decodes && what.transposed)
      results.store(row, at[2], table.element(at[2], entries, entry));
    else if (decodes)
      results.store(row, at[2], table.element(at[0] * entries + entry, inner, at[2]));
    else if (what.steps.empty())
      results.store(row, at[2], table.memory()[(at[0] * entries + entry) * inner + at[2]]);
    else
      results.store(row, at[2], table.memory()[at[0] * step(0) + entry * step(1) + at[2] * step(2)]);
  });
  TemplateKernel made = {.kernel = k.done(), .grid = walk.grid, .reason = "lanes along a row: " + walk.reason};
  const bool whole_entries = what.outer.is(1) && what.entries.known() && what.inner.known() && what.steps.empty();
  if (whole_entries) made.lookup = {"table", "ids", what.entries.value, what.inner.value};
  return made;
}

TemplateKernel decode(const kir::Target& target, std::string name, const Decode& what) {
  kir::Build k(std::move(name), target);
  if (what.codebooks) codebooks(k);
  const StoredMatrix x(k, "x", what.stored, Layout::rows, {}, what.affine);
  const Mem y = k.out("y", memory_kind(what.result));
  const Val rows = value_of(k, what.rows), columns = value_of(k, what.columns);
  const ScalarExpr exact = ScalarExpr::parameter("exact", ScalarKind::f32);
  const Walk walk = over_axes(k, {what.outer, what.rows, what.columns}, [&](const std::vector<Val>& at) {
    const Val place = (at[0] * rows + at[1]) * columns + at[2];
    if (what.stored == what.result) {  // 8-bit floats as they are
      y[place] = x.memory()[what.transposed ? (at[0] * columns + at[2]) * rows + at[1] : place];
      return;
    }
    const Val element = what.transposed ? x.element(at[0] * columns + at[2], rows, at[1])
                                        : x.element(at[0] * rows + at[1], columns, at[2]);
    y[place] = code_of(k, convert_expr(exact, DType::f32, what.result), {{"exact", element}});
  });
  return {.kernel = k.done(), .grid = walk.grid, .reason = "lanes along a row: " + walk.reason};
}

}  // namespace openinfer::kernels
