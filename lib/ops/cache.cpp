// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/cache.h"

#include <fmt/format.h>

#include "lib/ops/dtypes.h"

namespace openinfer {

void check_is_cache(const InferContext& c) {
  if (c.state().kind != StateSpec::Kind::kv_cache || c.state().shape.size() != 5)
    c.fail(ErrorCode::invalid_argument, fmt::format("takes a kv_cache, not {}", c.state().to_string()));
  if (!contains(kFloats, c.state().dtype))
    c.fail(ErrorCode::dtype_mismatch,
           fmt::format("a cache holds {}, not {}", dtype_names(kFloats), name(c.state().dtype)));
}

void check_index(const InferContext& c, std::size_t i, const Shape& shape) {
  if (!c.has(i) || c.type(i) == TensorType{i32, shape}) return;
  c.fail(c.type(i).dtype == i32 ? ErrorCode::shape_mismatch : ErrorCode::dtype_mismatch,
         fmt::format("{} must be {}, not {} {}", c.op().operands[i].name, TensorType{i32, shape}.to_string(),
                     c.describe(i), c.type(i).to_string()));
}

std::int64_t index_at(const OpRun& run, std::size_t operand, std::int64_t n, std::int64_t limit,
                      std::string_view what) {
  const TensorView view = run.in(operand);
  const std::int64_t index = view.as<std::int32_t>()[n];
  if (index >= 0 && index < limit) return index;
  run.fail(ErrorCode::invalid_argument,
           fmt::format("{} {}{} is outside the cache, which has {} {}s", what, index,
                       view.shape.empty() ? "" : fmt::format(" of row {}", n), limit, what));
}

}  // namespace openinfer
