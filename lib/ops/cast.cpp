// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "lib/base/dequantize.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/convert.h"
#include "lib/ops/convert_expr.h"
#include "lib/ops/lower.h"
#include "lib/ops/stored.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_cast(const InferContext& c) {
  const DType to = c.dtype("dtype");
  if (!contains(kPlain, to) && !is_float8(to))  // [C1]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("makes {}|f8e4m3|f8e5m2, not {}", dtype_names(kPlain), name(to)));
  return {{to, c.type(0).shape}};
}

/// One stored row in the result's dtype. Formats that are not plain are exact in f32.
void convert_row(const StoredMatrix& m, const std::byte* from, DType to_dtype, std::byte* to) {
  if (contains(kPlain, m.dtype) || m.dtype == to_dtype) return convert_elements(m.dtype, from, to_dtype, to, m.length);
  if (to_dtype == DType::f32) return dequantize(m.dtype, from, reinterpret_cast<float*>(to), m.length);
  std::vector<float> exact(static_cast<std::size_t>(m.length));
  dequantize(m.dtype, from, exact.data(), m.length);
  convert_elements(DType::f32, reinterpret_cast<const std::byte*>(exact.data()), to_dtype, to, m.length);
}

/// Row r of matrix r / columns, stored, is a column of the result.
void scatter_column(const std::byte* row, const TensorSpan& y, std::int64_t stored_row, std::int64_t length) {
  const std::int64_t columns = y.shape.back(), size = size_bytes(y.dtype, 1);
  const std::int64_t first = stored_row / columns * columns * length + stored_row % columns;
  for (std::int64_t i = 0; i < length; ++i) std::copy_n(row + i * size, size, y.data + (first + i * columns) * size);
}

void reference_cast(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  const StoredMatrix m(x);
  if (y.count() == 0) return;
  run.parallel_for(m.rows, 1 + 8192 / m.length, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t row_bytes = size_bytes(y.dtype, m.length);
    std::vector<std::byte> column(static_cast<std::size_t>(x.transposed ? row_bytes : 0));
    for (std::int64_t r = begin; r < end; ++r) {
      const std::byte* from = run.stored_rows(0, r, 1);
      convert_row(m, from, y.dtype, x.transposed ? column.data() : y.data + r * row_bytes);
      if (x.transposed) scatter_column(column.data(), y, r, m.length);
    }
  });
}

/// A row exactly, and one to be turned.
Workspace workspace_cast(const OpRun& run) {
  const StoredMatrix m(run.in(0));
  return {.per_thread_bytes = m.length * 12, .stored_rows_bytes = m.row_bytes};
}

Lowering lower_cast(const InferContext& c) {
  const DType from = c.type(0).dtype, to = c.dtype("dtype");
  if (!contains(kPlain, from)) return lower_to_kernel(c);  // decodes, and may encode again
  return ScalarFn([from, to](std::span<const ScalarExpr> x) { return convert_expr(x[0], from, to); });
}

}  // namespace

const OpDef& cast_op() {
  static const OpDef op = {.name = "cast",
                           .operands = {{.name = "x", .stored = true}},
                           .attributes = {{"dtype", AttributeKind::dtype, {}}},
                           .traits = {.elementwise = true},
                           .infer = infer_cast,
                           .reference = reference_cast,
                           .lower = lower_cast,
                           .workspace = workspace_cast};
  return op;
}

Value cast(const In& x, DType dtype) { return call(cast_op(), {x}, {{"dtype", dtype}}); }
Pipe cast(DType dtype) { return pipe(cast_op(), {}, {{"dtype", dtype}}); }

}  // namespace openinfer
