// SPDX-License-Identifier: Apache-2.0
// The dtype table: one row per dtype, in the order of the codes. Block sizes are GGUF's (ggml's quantisation formats).
#include "openinfer/dtype.h"

#include <array>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

using K = DTypeKind;

// clang-format off
constexpr DTypeInfo kTable[] = {
    {DType::f64, "f64", K::floating, 64, 1, 8},      {DType::f32, "f32", K::floating, 32, 1, 4},
    {DType::f16, "f16", K::floating, 16, 1, 2},      {DType::bf16, "bf16", K::floating, 16, 1, 2},
    {DType::f8e4m3, "f8e4m3", K::floating, 8, 1, 1}, {DType::f8e5m2, "f8e5m2", K::floating, 8, 1, 1},
    {DType::i1, "i1", K::signed_int, 1, 8, 1},       {DType::i2, "i2", K::signed_int, 2, 4, 1},
    {DType::i4, "i4", K::signed_int, 4, 2, 1},       {DType::i8, "i8", K::signed_int, 8, 1, 1},
    {DType::i16, "i16", K::signed_int, 16, 1, 2},    {DType::i32, "i32", K::signed_int, 32, 1, 4},
    {DType::i64, "i64", K::signed_int, 64, 1, 8},    {DType::u1, "u1", K::unsigned_int, 1, 8, 1},
    {DType::u2, "u2", K::unsigned_int, 2, 4, 1},     {DType::u4, "u4", K::unsigned_int, 4, 2, 1},
    {DType::u8, "u8", K::unsigned_int, 8, 1, 1},     {DType::u16, "u16", K::unsigned_int, 16, 1, 2},
    {DType::u32, "u32", K::unsigned_int, 32, 1, 4},  {DType::u64, "u64", K::unsigned_int, 64, 1, 8},
    {DType::boolean, "bool", K::boolean, 8, 1, 1},   {DType::t1, "t1", K::ternary, 0, 5, 1},
    {DType::t2, "t2", K::ternary, 0, 4, 1},          {DType::q4_0, "q4_0", K::block, 0, 32, 18},
    {DType::q4_1, "q4_1", K::block, 0, 32, 20},      {DType::q5_0, "q5_0", K::block, 0, 32, 22},
    {DType::q5_1, "q5_1", K::block, 0, 32, 24},      {DType::q8_0, "q8_0", K::block, 0, 32, 34},
    {DType::q2_k, "q2_k", K::block, 0, 256, 84},     {DType::q3_k, "q3_k", K::block, 0, 256, 110},
    {DType::q4_k, "q4_k", K::block, 0, 256, 144},    {DType::q5_k, "q5_k", K::block, 0, 256, 176},
    {DType::q6_k, "q6_k", K::block, 0, 256, 210},    {DType::mxfp4, "mxfp4", K::block, 0, 32, 17},
    {DType::iq4_nl, "iq4_nl", K::block, 0, 32, 18},  {DType::iq4_xs, "iq4_xs", K::block, 0, 256, 136},
    {DType::iq2_xxs, "iq2_xxs", K::block, 0, 256, 66}, {DType::iq2_xs, "iq2_xs", K::block, 0, 256, 74},
    {DType::iq2_s, "iq2_s", K::block, 0, 256, 82},   {DType::iq3_xxs, "iq3_xxs", K::block, 0, 256, 98},
    {DType::iq3_s, "iq3_s", K::block, 0, 256, 110},  {DType::iq1_s, "iq1_s", K::block, 0, 256, 50},
    {DType::iq1_m, "iq1_m", K::block, 0, 256, 56},   {DType::tq1_0, "tq1_0", K::block, 0, 256, 54},
    {DType::tq2_0, "tq2_0", K::block, 0, 256, 66},   {DType::q8_1, "q8_1", K::block, 0, 32, 36},
    {DType::q8_k, "q8_k", K::block, 0, 256, 292},
};
// clang-format on

constexpr auto index_by_code() {
  std::array<std::int8_t, 256> rows{};
  rows.fill(-1);
  std::int8_t row = 0;
  for (const DTypeInfo& d : kTable) rows[static_cast<std::uint8_t>(d.dtype)] = row++;
  return rows;
}
constexpr auto kRowOfCode = index_by_code();

}  // namespace

const DTypeInfo& info(DType dtype) {
  const auto row = kRowOfCode[static_cast<std::uint8_t>(dtype)];
  if (row < 0) fail(ErrorCode::invalid_argument, "no dtype has the code {}", static_cast<int>(dtype));
  return kTable[row];
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& d : kTable)
    if (d.name == name) return d.dtype;
  return std::nullopt;
}

}  // namespace openinfer
