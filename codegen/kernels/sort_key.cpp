// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/sort_key.h"

#include <cstdint>
#include <limits>

namespace openinfer::kernels {
namespace {

using kir::Kind;
using kir::Val;

/// Sign and magnitude become a number; what is beyond infinity, the largest.
Val float_key(kir::Build& k, const Val& bits, std::int64_t magnitude_bits, std::int64_t infinity, Kind kind) {
  const std::int64_t largest =
      kind == Kind::i64 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int32_t>::max();
  const Val magnitude = k.let("magnitude", bits & k.constant(magnitude_bits, kind));
  const bool is_16_bits = magnitude_bits == 0x7fff;
  const Val negative = is_16_bits ? bits > k.constant(magnitude_bits, kind) : bits < k.constant(0, kind);
  return select(magnitude > k.constant(infinity, kind), k.constant(largest, kind),
                select(negative, -magnitude, magnitude));
}

}  // namespace

Kind key_memory(DType dtype) {
  if (dtype == DType::f16 || dtype == DType::bf16) return Kind::u16;
  if (dtype == DType::f32) return Kind::i32;
  return dtype == DType::f64 ? Kind::i64 : memory_kind(dtype);
}

Kind key_kind(DType dtype) { return info(dtype).bits == 64 ? Kind::i64 : Kind::i32; }

Val sort_key(kir::Build& k, const Val& element, DType dtype) {
  if (dtype == DType::f16) return float_key(k, convert(element, Kind::i32), 0x7fff, 0x7c00, Kind::i32);
  if (dtype == DType::bf16) return float_key(k, convert(element, Kind::i32), 0x7fff, 0x7f80, Kind::i32);
  if (dtype == DType::f32) return float_key(k, element, 0x7fffffff, 0x7f800000, Kind::i32);
  if (dtype == DType::f64) return float_key(k, element, INT64_MAX, 0x7ff0000000000000, Kind::i64);
  if (dtype == DType::u32) return bitcast(element ^ k.constant(0x80000000u, Kind::u32), Kind::i32);
  if (dtype == DType::u64) return bitcast(element ^ k.constant(INT64_MIN, Kind::u64), Kind::i64);
  return convert(element, key_kind(dtype));  // of 8 and 16 bits, and what is signed
}

}  // namespace openinfer::kernels
