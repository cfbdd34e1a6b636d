// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/apart_rows.h"

#include <fmt/format.h>

#include "codegen/kernels/rows.h"

namespace openinfer::kernels {

TemplateKernel apart_rows(const kir::Target& target, const ApartRows& what) {
  kir::Build k(what.name, target);
  if (!what.width.known()) k.fail("rows that lie apart have a width that is known");
  const kir::Mem x = k.in(what.of, memory_kind(what.x), "(rows, width)");
  const kir::Mem y = k.out(what.to, memory_kind(what.as), "(rows, stride)");
  const Rows rows(k, what.rows, what.width);
  const std::int64_t width = what.width.value, stride = what.as == DType::bf16 ? bf16_stride(width) : f32_stride(width);
  rows.each([&](const kir::Val& row) {
    rows.across("i", 0, width, [&](const kir::Val& i) { y[row * stride + i] = f32_of(x[row * width + i]); });
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = fmt::format("rows of {}, apart", name(what.as))};
}

}  // namespace openinfer::kernels
