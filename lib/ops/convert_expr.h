// SPDX-License-Identifier: Apache-2.0
// lib/ops/convert.h as scalar expressions: what cast, fill and kv_write do in generated code.
#pragma once

#include <bit>

#include "lib/ops/dtypes.h"
#include "openinfer/scalar_expr.h"

namespace openinfer {

/// convert<to>(x), of compute_kind(to). `x` is an element of `from`, loaded; both dtypes are plain, `to` may be an
/// 8-bit float, whose bits the result is. Integers are the reference's element; f16 and bf16 become it when they are
/// stored (or by narrow), with no rounding before that.
ScalarExpr convert_expr(const ScalarExpr& x, DType from, DType to);

/// An element of a plain dtype, as it lies in memory, as a constant.
template <class T>
ScalarExpr element_expr(DType dtype, T element) {
  const auto value = Element<T>::load(element);
  const ScalarKind kind = compute_kind(dtype);
  if constexpr (std::is_same_v<decltype(value), const double>)
    return ScalarExpr::from_bits(kind, std::bit_cast<std::uint64_t>(value));
  else if constexpr (std::is_same_v<decltype(value), const float>)
    return ScalarExpr::from_bits(kind, std::bit_cast<std::uint32_t>(value));
  else if constexpr (std::is_same_v<decltype(value), const bool>)
    return ScalarExpr::from_bits(kind, value);
  else
    return ScalarExpr::from_bits(kind, value.bits());
}

}  // namespace openinfer
