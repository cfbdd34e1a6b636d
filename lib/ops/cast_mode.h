// SPDX-License-Identifier: Apache-2.0
// How cast treats what its result's dtype does not hold, where a graph asks for other than the usual: rounding of
// floats to integers, saturation of everything.
#pragma once

#include <string>

#include "lib/ops/dtypes.h"
#include "openinfer/scalar_expr.h"

namespace openinfer {

struct CastMode {
  std::string rounding;  // "": trunc
  bool saturate = false;
  bool is_usual() const { return (rounding.empty() || rounding == "trunc") && !saturate; }
};

/// Is it a rounding that cast knows?
bool is_rounding(std::string_view name);

/// `count` elements at `to` from `from`, both plain; `to_dtype` may be an 8-bit float.
void convert_elements(const CastMode& mode, DType from_dtype, const std::byte* from, DType to_dtype, std::byte* to,
                      std::int64_t count);
/// The same of one element as convert_expr.h has it.
ScalarExpr convert_expr(const CastMode& mode, const ScalarExpr& x, DType from, DType to);

}  // namespace openinfer
