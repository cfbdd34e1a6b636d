// SPDX-License-Identifier: Apache-2.0
// y[o, j, i] = table[o, ids[j], i]: rows of a table by number; and whole tables out of blocks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

/// Buffers: table (outer, entries, inner), ids (count), then y (outer, count, inner) or the tail's; y is f32 of a table
/// in blocks or packed, else of its dtype. An id beyond the table reads its first or last entry: nothing outside is
/// touched.
struct Gather {
  Extent outer, entries, count, inner;
  DType table = DType::f32;
  Layout layout = Layout::rows;
  DType ids = DType::i32;  // i32 or i64
  /// Elements from one to the next along outer, entries and inner; none: the table is dense, or not plain.
  std::vector<Extent> steps = {};
  bool transposed = false;                // of a table in blocks, packed or affine: it lies as (inner, entries)
  std::optional<AffineCode> affine = {};  // of a table of integers, which gives f32
  bool codebooks = false;                 // binds those (block_code.h)
  Pointwise tail = {};                    // of one given value
};
TemplateKernel gather(const kir::Target& target, std::string name, const Gather& what);

/// y[o, r, c] = x[o, r, c] of matrices stored in blocks or packed, which lie as (o, c, r) if transposed.
struct Decode {
  Extent outer, rows, columns;
  DType stored = DType::q8_0, result = DType::f32;
  bool transposed = false;
  bool codebooks = false;
  std::optional<AffineCode> affine = {};
};
TemplateKernel decode(const kir::Target& target, std::string name, const Decode& what);

}  // namespace openinfer::kernels
