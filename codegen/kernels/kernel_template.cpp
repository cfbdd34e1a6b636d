// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/kernel_template.h"

#include <limits>

#include "lib/base/fail.h"

namespace openinfer::kernels {

kir::Val value_of(kir::Build& k, const Extent& extent) {
  if (!extent.known()) return k.param(extent.param);
  if (extent.value < 0 || extent.value > std::numeric_limits<std::int32_t>::max())
    k.fail(fmt::format("an extent of {} is no i32", extent.value));
  return k.constant(extent.value);
}

kir::Kind memory_kind(DType dtype) {
  using kir::Kind;
  if (dtype == DType::boolean) return Kind::b1;
  if (dtype == DType::f64) return Kind::f64;
  if (dtype == DType::f32) return Kind::f32;
  if (dtype == DType::f16) return Kind::f16;
  if (dtype == DType::bf16) return Kind::bf16;
  if (dtype == DType::i64) return Kind::i64;
  if (dtype == DType::i32) return Kind::i32;
  if (dtype == DType::i16) return Kind::i16;
  if (dtype == DType::i8) return Kind::i8;
  if (dtype == DType::u64) return Kind::u64;
  if (dtype == DType::u32) return Kind::u32;
  if (dtype == DType::u16) return Kind::u16;
  if (dtype == DType::u8 || dtype == DType::f8e4m3 || dtype == DType::f8e5m2) return Kind::u8;
  fail(ErrorCode::unsupported, "[kernel] elements of {} have no address and no arithmetic of their own; cast them",
       name(dtype));
}

}  // namespace openinfer::kernels
