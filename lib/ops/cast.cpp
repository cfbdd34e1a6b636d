// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "lib/base/dequantize.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/cast_mode.h"
#include "lib/ops/convert.h"
#include "lib/ops/convert_expr.h"
#include "lib/ops/lower.h"
#include "lib/ops/stored.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// Only what differs from the usual: the text of a graph says no more than its author.
Attributes cast_attributes(DType dtype, const CastOptions& options) {
  Attributes attributes = {{"dtype", dtype}};
  if (!options.rounding.empty()) attributes.set("rounding", options.rounding);
  if (options.saturate) attributes.set("saturate", true);
  return attributes;
}
CastOptions cast_options(const Attributes& attributes) {
  CastOptions options;
  if (const Attribute* rounding = attributes.find("rounding")) options.rounding = std::get<std::string>(*rounding);
  if (const Attribute* saturate = attributes.find("saturate")) options.saturate = std::get<bool>(*saturate);
  return options;
}

std::vector<TensorType> infer_cast(const InferContext& c) {
  const DType to = c.dtype("dtype");
  if (!contains(kPlain, to) && !is_float8(to))  // [C1]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("makes {}|f8e4m3|f8e5m2, not {}", dtype_names(kPlain), name(to)));
  const DType from = c.type(0).dtype;
  const CastMode mode = {c.string("rounding"), c.flag("saturate")};
  const bool rounds = !is_int(from) && from != DType::boolean && is_int(to);
  if (!is_rounding(mode.rounding) || (!mode.rounding.empty() && !rounds))  // [C2]
    c.fail(ErrorCode::invalid_argument,
           fmt::format("rounding '{}' of {} to {}: floats become integers by trunc, floor, ceil, round or away",
                       mode.rounding, name(from), name(to)));
  return {{to, c.type(0).shape}};
}

/// One stored row in the result's dtype. Formats that are not plain are exact in f32.
void convert_row(const CastMode& mode, const StoredMatrix& m, const std::byte* from, DType to_dtype, std::byte* to) {
  if (contains(kPlain, m.dtype) || m.dtype == to_dtype)
    return convert_elements(mode, m.dtype, from, to_dtype, to, m.length);
  if (to_dtype == DType::f32) return dequantize(m.dtype, from, reinterpret_cast<float*>(to), m.length);
  std::vector<float> exact(static_cast<std::size_t>(m.length));
  dequantize(m.dtype, from, exact.data(), m.length);
  convert_elements(mode, DType::f32, reinterpret_cast<const std::byte*>(exact.data()), to_dtype, to, m.length);
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
  const CastMode mode = {run.string("rounding"), run.flag("saturate")};
  run.parallel_for(m.rows, 1 + 8192 / m.length, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t row_bytes = size_bytes(y.dtype, m.length);
    std::vector<std::byte> column(static_cast<std::size_t>(x.transposed ? row_bytes : 0));
    for (std::int64_t r = begin; r < end; ++r) {
      const std::byte* from = run.stored_rows(0, r, 1);
      convert_row(mode, m, from, y.dtype, x.transposed ? column.data() : y.data + r * row_bytes);
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
  const CastMode mode = {c.string("rounding"), c.flag("saturate")};
  return ScalarFn([mode, from, to](std::span<const ScalarExpr> x) { return convert_expr(mode, x[0], from, to); });
}

/// Out of blocks in other than the usual way: decoded first, which is exact.
std::vector<Value> decompose_cast(const std::vector<OptionalIn>& operands, const Attributes& attributes) {
  const CastOptions options = cast_options(attributes);
  const DType from = std::get<Value>(operands[0]->operand()).dtype(), to = std::get<DType>(*attributes.find("dtype"));
  if (contains(kPlain, from) || CastMode{options.rounding, options.saturate}.is_usual()) return {};
  return {cast(cast(*operands[0], DType::f32), to, options)};
}

}  // namespace

const OpDef& cast_op() {
  static const OpDef op = {.name = "cast",
                           .operands = {{.name = "x", .stored = true}},
                           .attributes = {{"dtype", AttributeKind::dtype, {}},
                                          {"rounding", AttributeKind::string, std::string()},
                                          {"saturate", AttributeKind::boolean, false}},
                           .traits = {.elementwise = true},
                           .infer = infer_cast,
                           .reference = reference_cast,
                           .decompose = decompose_cast,
                           .lower = lower_cast,
                           .workspace = workspace_cast};
  return op;
}

Value cast(const In& x, DType dtype) { return call(cast_op(), {x}, {{"dtype", dtype}}); }
Pipe cast(DType dtype) { return pipe(cast_op(), {}, {{"dtype", dtype}}); }
Value cast(const In& x, DType dtype, const CastOptions& options) {
  return call(cast_op(), {x}, cast_attributes(dtype, options));
}
Pipe cast(DType dtype, const CastOptions& options) { return pipe(cast_op(), {}, cast_attributes(dtype, options)); }

}  // namespace openinfer
