// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/bf16_rows.h"

#include "codegen/kernels/rows.h"

namespace openinfer::kernels {

TemplateKernel to_bf16(const kir::Target& target, const ToBf16& what) {
  kir::Build k(what.name, target);
  if (!what.width.known()) k.fail("rows of bf16 have a width that is known");
  const kir::Mem x = k.in(what.of, memory_kind(what.x), "(rows, width)");
  const kir::Mem y = k.out(what.to, kir::Kind::bf16, "(rows, stride)");
  const Rows rows(k, what.rows, what.width);
  const std::int64_t width = what.width.value, stride = bf16_stride(width);
  rows.each([&](const kir::Val& row) {
    rows.across("i", 0, width, [&](const kir::Val& i) { y[row * stride + i] = f32_of(x[row * width + i]); });
  });
  return {.kernel = k.done(), .grid = rows.grid(), .reason = "rows of bf16"};
}

}  // namespace openinfer::kernels
