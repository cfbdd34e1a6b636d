// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/convert.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/lower.h"
#include "lib/ops/rows.h"
#include "lib/ops/shapes.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

std::vector<TensorType> infer_iota(const InferContext& c) {
  const Shape& shape = c.dims("shape");
  const std::int64_t axis = c.integer("axis"), rank = std::ssize(shape);
  if (!contains(kNumbers, c.dtype("dtype")))  // [C1]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("makes {}, not {}", dtype_names(kNumbers), name(c.dtype("dtype"))));
  if (axis < -rank || axis >= rank)  // [C2]
    c.fail(ErrorCode::invalid_argument, fmt::format("axis {} is outside the shape {}", axis, to_string(shape)));
  check_extents(c, shape);  // [C3]
  return {{c.dtype("dtype"), shape}};
}

void reference_iota(OpRun& run) {
  const TensorSpan out = run.out(0);
  const std::int64_t axis = run.integer("axis");
  const AxisRows rows(out.shape, static_cast<std::size_t>(axis < 0 ? axis + std::ssize(out.shape) : axis));
  dispatch<kNumbers>(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for (std::int64_t r = 0; r < rows.count(); ++r)
      for (std::int64_t i = 0; i < rows.extent; ++i) out.as<T>()[rows.first(r) + i * rows.inner] = convert<T>(i);
  });
}

}  // namespace

const OpDef& iota_op() {
  static const OpDef op = {.name = "iota",
                           .attributes = {{"shape", AttributeKind::dims},
                                          {"axis", AttributeKind::integer, std::int64_t{0}},
                                          {"dtype", AttributeKind::dtype, DType::i32}},
                           .infer = infer_iota,
                           .reference = reference_iota,
                           .lower = lower_to_kernel,
                           .workspace = no_workspace};
  return op;
}

Value iota(GraphBuilder& b, Shape shape, std::int64_t axis, DType dtype, At at) {
  return apply(iota_op(), {}, {{"shape", std::move(shape)}, {"axis", axis}, {"dtype", dtype}}, {.draft = b.draft()}, at)
      .front();
}

}  // namespace openinfer
