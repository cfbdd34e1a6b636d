// SPDX-License-Identifier: Apache-2.0
// Element types. The numeric codes are those of the package format (formats/opnf/spec.md), so that a table row
// of a file and a Value of a graph speak of the same thing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace openinfer {

// clang-format off
enum class DType : std::uint8_t {
  // floating point
  f64 = 1, f32 = 2, f16 = 3, bf16 = 4, f8e4m3 = 5, f8e5m2 = 6,
  // integers; those under 8 bits are packed, lowest bits first
  i1 = 16, i2 = 17, i4 = 18, i8 = 19, i16 = 20, i32 = 21, i64 = 22,
  u1 = 32, u2 = 33, u4 = 34, u8 = 35, u16 = 36, u32 = 37, u64 = 38,
  // bool is a byte that is 0 or 1; t1: five base-3 digits a byte; t2: four 2-bit digits a byte
  boolean = 48, t1 = 49, t2 = 50,
  // block formats, bytes as GGUF stores them
  q4_0 = 64, q4_1 = 65, q5_0 = 66, q5_1 = 67, q8_0 = 68, q2_k = 69, q3_k = 70, q4_k = 71, q5_k = 72, q6_k = 73,
  mxfp4 = 74, iq4_nl = 80, iq4_xs = 81, iq2_xxs = 82, iq2_xs = 83, iq2_s = 84, iq3_xxs = 85, iq3_s = 86, iq1_s = 87,
  iq1_m = 88, tq1_0 = 89, tq2_0 = 90, q8_1 = 91, q8_k = 92,
};
// clang-format on

enum class DTypeKind : std::uint8_t { floating, signed_int, unsigned_int, boolean, ternary, block };

/// One row of the dtype table: `block_size` elements take `block_bytes` bytes (1 element for plain types; packed
/// sub-byte types have 8/bits elements in 1 byte). `bits` is the width of one element, 0 for block formats and ternary.
struct DTypeInfo {
  DType dtype;
  std::string_view name;  // as text and files spell it: "bf16", "bool", "q4_k"
  DTypeKind kind;
  int bits;
  int block_size;
  int block_bytes;
};

/// The row of `dtype`. Errors: invalid_argument for a value outside the enum.
const DTypeInfo& info(DType dtype);
inline std::string_view name(DType dtype) { return info(dtype).name; }
/// The dtype of that name, or nothing.
std::optional<DType> dtype_from_name(std::string_view name);

inline bool is_float(DType d) { return info(d).kind == DTypeKind::floating; }
inline bool is_signed_int(DType d) { return info(d).kind == DTypeKind::signed_int; }
inline bool is_int(DType d) { return is_signed_int(d) || info(d).kind == DTypeKind::unsigned_int; }
inline bool is_block(DType d) { return info(d).kind == DTypeKind::block; }

// The names that graphs are written with: b.input("tok", i32, {N}).
inline constexpr DType f64 = DType::f64, f32 = DType::f32, f16 = DType::f16, bf16 = DType::bf16;
inline constexpr DType i8 = DType::i8, i16 = DType::i16, i32 = DType::i32, i64 = DType::i64;
inline constexpr DType u8 = DType::u8, u16 = DType::u16, u32 = DType::u32, u64 = DType::u64;
inline constexpr DType boolean = DType::boolean;

}  // namespace openinfer
