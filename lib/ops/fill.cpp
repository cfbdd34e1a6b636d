// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "lib/ops/builtin.h"
#include "lib/ops/convert.h"
#include "lib/ops/convert_expr.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/shapes.h"
#include "lib/ops/workspace.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

template <class T>
bool fits_fill(double value) {
  using C = ComputeOf<T>;
  if constexpr (std::is_floating_point_v<C>) {
    return !std::isfinite(value) || std::isfinite(static_cast<C>(Element<T>::load(convert<T>(value))));
  } else if constexpr (std::is_same_v<C, bool>) {
    return value == 0 || value == 1;
  } else {
    // 2^bits is a double exactly, the largest integer below it may not be: hence <.
    const double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
    return value >= (std::is_signed_v<T> ? -limit : 0.0) && value < limit && value == std::trunc(value);
  }
}

std::vector<TensorType> infer_fill(const InferContext& c) {
  const DType dtype = c.dtype("dtype");
  const double value = c.number("value");
  if (!contains(kPlain, dtype))  // [C1]
    c.fail(ErrorCode::dtype_mismatch, fmt::format("makes {}, not {}", dtype_names(kPlain), name(dtype)));
  dispatch<kPlain>(dtype, [&](auto tag) {
    if (!fits_fill<typename decltype(tag)::Type>(value))  // [C1]
      c.fail(ErrorCode::invalid_argument, fmt::format("{} does not fit {}", value, name(dtype)));
  });
  check_extents(c, c.dims("shape"));  // [C2]
  return {{dtype, c.dims("shape")}};
}

void reference_fill(OpRun& run) {
  const TensorSpan out = run.out(0);
  dispatch<kPlain>(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    std::fill_n(out.as<T>(), out.count(), convert<T>(run.number("value")));
  });
}

Lowering lower_fill(const InferContext& c) {
  const DType dtype = c.dtype("dtype");
  const double value = c.number("value");
  return ScalarFn([dtype, value](std::span<const ScalarExpr>) {
    ScalarExpr result;
    dispatch<kPlain>(dtype, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      result = element_expr(dtype, convert<T>(value));
    });
    return result;
  });
}

}  // namespace

const OpDef& fill_op() {
  static const OpDef op = {.name = "fill",
                           .attributes = {{"shape", AttributeKind::dims},
                                          {"value", AttributeKind::number},
                                          {"dtype", AttributeKind::dtype, DType::f32}},
                           .infer = infer_fill,
                           .reference = reference_fill,
                           .lower = lower_fill,
                           .workspace = no_workspace};
  return op;
}

Value fill(GraphBuilder& b, Shape shape, double value, DType dtype, At at) {
  return apply(fill_op(), {}, {{"shape", std::move(shape)}, {"value", value}, {"dtype", dtype}}, {.draft = b.draft()},
               at)
      .front();
}

}  // namespace openinfer
