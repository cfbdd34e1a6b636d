// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/dtypes.h"

#include <fmt/format.h>

namespace openinfer {

DTypeSet set_of(DType dtype) {
  const DTypeInfo& row = info(dtype);
  if (row.block_size != 1 || (row.kind == DTypeKind::floating && row.bits == 8)) return 0;
  switch (row.kind) {
    case DTypeKind::floating: return kFloats;
    case DTypeKind::signed_int: return kSigned;
    case DTypeKind::unsigned_int: return kUnsigned;
    case DTypeKind::boolean: return kBool;
    case DTypeKind::ternary:
    case DTypeKind::block: return 0;
  }
  return 0;
}

std::string dtype_names(DTypeSet set) {
  std::string names;
  for (const auto& [member, text] : {std::pair{kFloats, "f16|bf16|f32|f64"}, std::pair{kSigned, "i8|i16|i32|i64"},
                                     std::pair{kUnsigned, "u8|u16|u32|u64"}, std::pair{kBool, "bool"}})
    if (set & member) names += (names.empty() ? "" : "|") + std::string(text);
  return names;
}

void check_dtype(const InferContext& c, std::size_t i, DTypeSet set) {
  if (contains(set, c.type(i).dtype)) return;
  c.fail(ErrorCode::dtype_mismatch,
         fmt::format("takes {}, not {} {}", dtype_names(set), c.describe(i), c.type(i).to_string()));
}

void check_equal_dtypes(const InferContext& c, std::size_t i, std::size_t j) {
  if (c.type(i).dtype == c.type(j).dtype) return;
  c.fail(ErrorCode::dtype_mismatch, fmt::format("dtypes differ: {} {} and {} {}; cast one of them", c.describe(i),
                                                c.type(i).to_string(), c.describe(j), c.type(j).to_string()));
}

}  // namespace openinfer
