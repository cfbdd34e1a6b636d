// SPDX-License-Identifier: Apache-2.0
// Which dtypes an operator takes, and from a dtype to the C++ type that holds an element and the one to compute in.
#pragma once

#include <cstdint>
#include <type_traits>

#include "lib/ops/wrapping.h"
#include "openinfer/half.h"
#include "openinfer/op_def.h"

namespace openinfer {

/// A set of plain dtypes, by kind.
using DTypeSet = unsigned;
inline constexpr DTypeSet kFloats = 1;    // f16 bf16 f32 f64
inline constexpr DTypeSet kSigned = 2;    // i8 i16 i32 i64
inline constexpr DTypeSet kUnsigned = 4;  // u8 u16 u32 u64
inline constexpr DTypeSet kBool = 8;
inline constexpr DTypeSet kIntegers = kSigned | kUnsigned;
inline constexpr DTypeSet kNumbers = kFloats | kIntegers;
inline constexpr DTypeSet kPlain = kNumbers | kBool;

/// The set that `dtype` is in; 0 for block formats, packed and 8-bit floating types.
DTypeSet set_of(DType dtype);
inline bool contains(DTypeSet set, DType dtype) { return (set & set_of(dtype)) != 0; }

/// An 8-bit float: cast makes it, and it has no arithmetic. In scalar expressions it is its bits.
inline bool is_float8(DType dtype) { return dtype == DType::f8e4m3 || dtype == DType::f8e5m2; }

/// An element as it lies in memory (bool: a byte that is 0 or 1) and the type that arithmetic happens in.
struct Byte01 {
  std::uint8_t byte = 0;
};
template <class T>
struct Element {
  using Compute = T;
  static Compute load(T x) { return x; }
  static T store(Compute x) { return x; }
};
template <>
struct Element<Half> {
  using Compute = float;
  static float load(Half x) { return x; }
  static Half store(float x) { return Half(x); }
};
template <>
struct Element<BFloat16> {
  using Compute = float;
  static float load(BFloat16 x) { return x; }
  static BFloat16 store(float x) { return BFloat16(x); }
};
template <>
struct Element<Byte01> {
  using Compute = bool;
  static bool load(Byte01 x) { return x.byte != 0; }
  static Byte01 store(bool x) { return {static_cast<std::uint8_t>(x)}; }
};
template <std::integral T>
struct Element<T> {
  using Compute = Wrapping<T>;
  static Compute load(T x) { return {x}; }
  static T store(Compute x) { return x.value; }
};
template <class T>
using ComputeOf = typename Element<T>::Compute;

template <class T>
struct Tag {
  using Type = T;
};

/// f(Tag<T>{}) with the memory type T of `dtype`, instantiated for the dtypes of `kSet` only.
template <DTypeSet kSet, class F>
void dispatch(DType dtype, F&& f) {
  switch (static_cast<int>(dtype)) {  // the dtypes of `kSet`; infer has refused all others
    case static_cast<int>(DType::f64):
      if constexpr (kSet & kFloats) return f(Tag<double>{});
      break;
    case static_cast<int>(DType::f32):
      if constexpr (kSet & kFloats) return f(Tag<float>{});
      break;
    case static_cast<int>(DType::f16):
      if constexpr (kSet & kFloats) return f(Tag<Half>{});
      break;
    case static_cast<int>(DType::bf16):
      if constexpr (kSet & kFloats) return f(Tag<BFloat16>{});
      break;
    case static_cast<int>(DType::i8):
      if constexpr (kSet & kSigned) return f(Tag<std::int8_t>{});
      break;
    case static_cast<int>(DType::i16):
      if constexpr (kSet & kSigned) return f(Tag<std::int16_t>{});
      break;
    case static_cast<int>(DType::i32):
      if constexpr (kSet & kSigned) return f(Tag<std::int32_t>{});
      break;
    case static_cast<int>(DType::i64):
      if constexpr (kSet & kSigned) return f(Tag<std::int64_t>{});
      break;
    case static_cast<int>(DType::u8):
      if constexpr (kSet & kUnsigned) return f(Tag<std::uint8_t>{});
      break;
    case static_cast<int>(DType::u16):
      if constexpr (kSet & kUnsigned) return f(Tag<std::uint16_t>{});
      break;
    case static_cast<int>(DType::u32):
      if constexpr (kSet & kUnsigned) return f(Tag<std::uint32_t>{});
      break;
    case static_cast<int>(DType::u64):
      if constexpr (kSet & kUnsigned) return f(Tag<std::uint64_t>{});
      break;
    case static_cast<int>(DType::boolean):
      if constexpr (kSet & kBool) return f(Tag<Byte01>{});
      break;
  }
  throw Error(ErrorCode::internal, "a reference was run with a dtype that infer does not take");
}

/// "f16|bf16|f32|f64": as errors list what an op takes.
std::string dtype_names(DTypeSet set);
/// dtype_mismatch if operand i is not of `set`: "takes f16|bf16|f32|f64, not 'x' i32[N]".
void check_dtype(const InferContext& c, std::size_t i, DTypeSet set);
/// dtype_mismatch if operands i and j differ in dtype.
void check_equal_dtypes(const InferContext& c, std::size_t i, std::size_t j);

}  // namespace openinfer
