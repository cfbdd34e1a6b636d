// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <fmt/format.h>

#include "lib/base/fail.h"
#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/lower.h"
#include "lib/ops/move.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

bool fits_concat(const Shape& a, const Shape& b, std::size_t axis) {
  if (a.size() != b.size()) return false;
  for (std::size_t d = 0; d < a.size(); ++d)
    if (d != axis && a[d] != b[d]) return false;
  return true;
}

std::vector<TensorType> infer_concat(const InferContext& c) {
  TensorType result = c.type(0);
  const std::size_t axis = axis_in(c, 0, c.integer("axis"));  // [C1]
  for (std::size_t i = 1; i < c.operand_count(); ++i) {
    const Shape& part = c.type(i).shape;
    if (!fits_concat(result.shape, part, axis))  // [C2]
      c.fail(ErrorCode::shape_mismatch, fmt::format("{} {} and {} {} differ outside axis {}", c.describe(0),
                                                    to_string(c.type(0).shape), c.describe(i), to_string(part), axis));
    check_equal_dtypes(c, 0, i);  // [C3]
    result.shape[axis] = result.shape[axis] + part[axis];
  }
  return {result};
}

void reference_concat(OpRun& run) {
  const TensorSpan out = run.out(0);
  const std::int64_t given = run.integer("axis"), bytes = element_bytes(out.dtype);
  const AxisRows rows(out.shape, static_cast<std::size_t>(given < 0 ? given + std::ssize(out.shape) : given));
  const std::int64_t pitch = rows.extent * rows.inner * bytes;
  std::int64_t at = 0;
  for (std::size_t i = 0; i < run.operand_count(); ++i) {
    const TensorView part = run.in(i);
    const std::int64_t piece = rows.outer == 0 ? 0 : part.count() / rows.outer * bytes;
    for (std::int64_t o = 0; piece > 0 && o < rows.outer; ++o)
      std::memcpy(out.data + o * pitch + at, part.data + o * piece, static_cast<std::size_t>(piece));
    at += piece;
  }
}

}  // namespace

const OpDef& concat_op() {
  static const OpDef op = {.name = "concat",
                           .operands = {{.name = "parts", .presence = OperandSpec::Presence::variadic}},
                           .attributes = {{"axis", AttributeKind::integer, std::int64_t{0}}},
                           .infer = infer_concat,
                           .reference = reference_concat,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value concat(const std::vector<In>& parts, std::int64_t axis, At at) {
  if (parts.empty()) fail_at(at, ErrorCode::invalid_argument, "[concat] of no parts");
  return call(concat_op(), {parts.begin(), parts.end()}, {{"axis", axis}});
}

}  // namespace openinfer
