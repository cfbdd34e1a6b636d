// SPDX-License-Identifier: Apache-2.0
// Every operator lowers; and what an elementwise operator lowers to, evaluated with std:: functions, gives the bits of
// its reference for every dtype that it takes, on edge values and random ones.
#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "lib/ops/builtin.h"
#include "lib/ops/dtypes.h"
#include "lib/ops/scalar_eval.h"
#include "tests/ops/error_of.h"
#include "tests/ops/single_op.h"

using namespace openinfer;
using openinfer::testing::Operand;
using openinfer::testing::SingleOp;

namespace {

constexpr std::array kPlainDTypes = {f64, f32, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, boolean};

/// Any bit pattern is a value of a plain dtype but bool: random ones reach denormals, infinities and NaNs of their own.
template <class T>
std::vector<T> edges() {
  if constexpr (std::is_floating_point_v<T>) {
    using L = std::numeric_limits<T>;
    std::vector<T> v = {0,
                        1,
                        T(0.5),
                        T(1.5),
                        2,
                        3,
                        T(1e-3),
                        88,
                        104,
                        127.5f,
                        128,
                        255.5f,
                        256,
                        65504,
                        65520,
                        1e6,
                        T(2147483647),
                        T(2147483648),
                        T(4294967296),
                        T(9223372036854775808.0),
                        T(18446744073709551616.0),
                        L::max(),
                        L::min(),
                        L::denorm_min(),
                        L::epsilon(),
                        L::infinity()};
    if constexpr (sizeof(T) == 8)
      for (double half : {0x1p-8, 0x1p-11}) v.push_back(1 + half + 0x1p-40), v.push_back(1 + half - 0x1p-40);
    for (std::size_t i = 0, n = v.size(); i < n; ++i) v.push_back(-v[i]);
    v.push_back(L::quiet_NaN());
    return v;
  } else {
    using L = std::numeric_limits<T>;
    std::vector<T> v = {0, 1, 2, 3, T(L::max() - 1), L::max(), L::min(), T(L::min() + 1), T(-1), T(L::max() / 2 + 1)};
    for (int bit = 0; bit < L::digits; ++bit) v.push_back(T(T(1) << bit)), v.push_back(T((T(1) << bit) - 1));
    for (int bit = 12; bit < L::digits; ++bit)  // one above a tie of bf16, of f16: a second rounding would find a tie
      for (int half : {8, 11}) v.push_back(T((T(1) << bit) + (T(1) << (bit - half)) + 1));
    return v;
  }
}

/// `count` elements: the edge values from `first` on, round and round, then random bits.
Tensor elements(DType dtype, std::size_t count, std::size_t first, std::uint64_t seed) {
  Tensor t(dtype, {static_cast<std::int64_t>(count)});
  dispatch<kPlain>(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    T* out = t.span().as<T>();
    for (std::size_t i = 0; i < count; ++i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
      const std::uint64_t bits = seed ^ seed >> 33;
      if constexpr (std::is_same_v<T, Byte01>) {
        out[i] = {static_cast<std::uint8_t>(bits & 1)};
      } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        static const auto e = edges<float>();
        out[i] = i < count / 2 ? T(e[(i * (first ? 7 : 1) + first) % e.size()]) : std::bit_cast<T>(std::uint16_t(bits));
      } else {
        static const auto e = edges<T>();
        if (i < count / 2)
          out[i] = e[(i * (first ? 7 : 1) + first) % e.size()];
        else
          std::memcpy(&out[i], &bits, sizeof(T));
      }
    }
  });
  return t;
}

std::string bits_of(const Tensor& t, std::size_t i) {
  const auto size = static_cast<std::size_t>(size_bytes(t.dtype(), 1));
  std::string text;
  for (std::size_t b = size; b-- > 0;) text += fmt::format("{:02x}", std::to_integer<int>(t.bytes()[i * size + b]));
  return text;
}
bool is_nan(const Tensor& t, std::size_t i) {
  if (!is_float(t.dtype())) return false;
  const std::uint64_t bits = load_element(t.dtype(), t.bytes().data(), i);
  return t.dtype() == f64 ? std::isnan(std::bit_cast<double>(bits))
                          : std::isnan(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
}

/// The lowered expression over columns of loaded elements, stored.
Tensor run_lowered(const ScalarFn& f, const std::vector<Tensor>& operands, DType result, std::size_t count) {
  std::vector<ScalarExpr> parameters;
  std::vector<std::vector<std::uint64_t>> values;
  std::vector<const std::uint64_t*> columns;
  for (const Tensor& t : operands) {
    parameters.push_back(ScalarExpr::parameter("x" + std::to_string(values.size()), compute_kind(t.dtype())));
    auto& column = values.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i) column[i] = load_element(t.dtype(), t.bytes().data(), i);
  }
  for (const auto& v : values) columns.push_back(v.data());
  const ScalarExpr e = f(parameters);
  REQUIRE(e.kind() == compute_kind(result));
  std::vector<std::uint64_t> out(count);
  ScalarProgram(e, parameters).run(columns, out.data(), count);
  Tensor t(result, {static_cast<std::int64_t>(count)});
  std::size_t changed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    store_element(result, t.mutable_bytes().data(), i, out[i]);
    changed += !is_float(result) && load_element(result, t.bytes().data(), i) != out[i];
  }
  CHECK(changed == 0);  // integers are elements before they are stored: operators fused behind see the same
  return t;
}

/// NaNs are equal: their signs and payloads are the machine's.
void check_equal(const Tensor& want, const Tensor& got, const std::vector<Tensor>& operands) {
  REQUIRE(want.dtype() == got.dtype());
  REQUIRE(want.count() == got.count());
  const auto size = static_cast<std::size_t>(size_bytes(want.dtype(), 1));
  for (std::size_t i = 0; i < static_cast<std::size_t>(want.count()); ++i) {
    if (std::memcmp(&want.bytes()[i * size], &got.bytes()[i * size], size) == 0 || (is_nan(want, i) && is_nan(got, i)))
      continue;
    std::string of;
    for (const Tensor& t : operands) of += " " + bits_of(t, i);
    FAIL_CHECK("element " << i << " of" << of << ": " << bits_of(want, i) << " by the reference, " << bits_of(got, i));
    return;
  }
}

/// One operator on operands of these dtypes; false if it does not take them.
bool check_lowering(const OpDef& op, const std::vector<DType>& dtypes, const Attributes& attributes = {}) {
  constexpr std::size_t kCount = 4096;
  CAPTURE(op.name, name(dtypes.back()));
  std::vector<Tensor> operands;
  SingleOp call{op, {}, attributes};
  for (DType d : dtypes) {
    operands.push_back(elements(d, kCount, 11 * operands.size(), 1 + operands.size()));
    call.operands.emplace_back(operands.back());
  }
  std::optional<Lowering> lowering;
  try {
    lowering = call.lower();
  } catch (const Error& e) {
    REQUIRE(e.code() == ErrorCode::dtype_mismatch);
    return false;
  }
  REQUIRE(std::holds_alternative<ScalarFn>(*lowering));
  const Tensor want = call.run_one();
  check_equal(want, run_lowered(std::get<ScalarFn>(*lowering), operands, want.dtype(), kCount), operands);
  return true;
}

std::vector<DType> operand_dtypes(const OpDef& op, DType dtype) {
  std::vector<DType> dtypes(op.operands.size(), dtype);
  for (std::size_t i = 0; i < dtypes.size(); ++i)
    if (!op.operands[i].shares_dtype) dtypes[i] = boolean;  // select's condition
  return dtypes;
}

}  // namespace

TEST_CASE("lowering_of_elementwise_operators_equals_their_references") {
  std::size_t operators = 0, cells = 0;
  for (const OpDef* op : OpSet::builtin().all()) {
    if (!op->traits.elementwise || op == &cast_op()) continue;
    std::size_t taken = 0;
    for (DType dtype : kPlainDTypes) taken += check_lowering(*op, operand_dtypes(*op, dtype));
    CAPTURE(op->name);
    CHECK(taken >= 4);  // every float at least, or every integer
    cells += taken;
    ++operators;
  }
  // 12 dtypes: add clamp floor_div max min mul rem sub; 4: the 26 of floats, fixed_exp2 and random_below; 8: abs is_neg
  // neg relu sign, and popcount shl shr; 13: comparisons and select; 9: and not or xor.
  CHECK(operators == 8 + 28 + 8 + 7 + 4);
  CHECK(cells == 8 * 12 + 28 * 4 + 8 * 8 + 7 * 13 + 4 * 9);
}

TEST_CASE("lowering_of_cast_equals_its_reference") {
  for (DType from : kPlainDTypes)
    for (DType to : kPlainDTypes) {
      CAPTURE(name(from), name(to));
      CHECK(check_lowering(cast_op(), {from}, {{"dtype", to}}));
    }
}

TEST_CASE("lowering_of_cast_to_8_bit_floats_equals_its_reference") {
  for (DType from : kPlainDTypes)
    for (DType to : {DType::f8e4m3, DType::f8e5m2}) {
      CAPTURE(name(from), name(to));
      CHECK(check_lowering(cast_op(), {from}, {{"dtype", to}}));
      CHECK(check_lowering(cast_op(), {from}, {{"dtype", to}, {"saturate", true}}));
    }
}

TEST_CASE("lowering_of_cast_in_other_modes_equals_its_reference") {
  for (DType from : kPlainDTypes)
    for (DType to : kPlainDTypes) {
      CAPTURE(name(from), name(to));
      CHECK(check_lowering(cast_op(), {from}, {{"dtype", to}, {"saturate", true}}));
      if (!is_float(from) || !is_int(to)) continue;
      for (const char* rounding : {"trunc", "floor", "ceil", "round", "away"})
        CHECK(check_lowering(cast_op(), {from}, {{"dtype", to}, {"rounding", std::string(rounding)}}));
    }
}

TEST_CASE("lowering_of_fill_equals_its_reference") {
  for (DType dtype : kPlainDTypes)
    for (double value : {0.0, 1.0, -0.0, 0.1, 100.0, -7.0, 65519.0, 0.00390625 * 1.000001}) {
      const SingleOp call{fill_op(), {}, {{"shape", Shape{3}}, {"value", value}, {"dtype", dtype}}};
      const bool whole = value == std::trunc(value) && value >= (is_signed_int(dtype) ? -7 : 0);
      if (!is_float(dtype) && (!whole || value > (dtype == boolean ? 1 : 100))) continue;
      CAPTURE(name(dtype), value);
      check_equal(call.run_one(), run_lowered(std::get<ScalarFn>(call.lower()), {}, dtype, 3), {});
    }
}

TEST_CASE("lowering_of_all_other_operators_asks_for_a_kernel") {
  for (const OpDef* op : OpSet::builtin().all()) {
    CAPTURE(op->name);
    CHECK(op->lower != nullptr);
  }
  const SingleOp product{matmul_op(), {Tensor(f32, {2, 3}), Tensor(f32, {3, 4})}};
  CHECK(std::get<KernelRequest>(product.lower()).kernel == "matmul");
  const SingleOp decode{cast_op(), {Tensor(DType::q8_0, {2, 32})}, {{"dtype", f32}}};
  CHECK(std::get<KernelRequest>(decode.lower()).kernel == "cast");
}

TEST_CASE("lowering_reads_as_the_lambda_does") {
  const auto text = [](const OpDef& op, DType dtype) {
    const SingleOp call{op, std::vector<Operand>(op.operands.size(), Tensor(dtype, {1}))};
    const ScalarKind kind = compute_kind(dtype);
    const std::array x = {ScalarExpr::parameter("x", kind), ScalarExpr::parameter("y", kind)};
    return to_string(std::get<ScalarFn>(call.lower())(x));
  };
  CHECK(text(silu_op(), f32) == "x / (1 + exp(-x))");
  CHECK(text(max_op(), f16) == "select(x < y || y != y, y, x)");
  CHECK(text(relu_op(), i32) == "select(x < 0, 0, x)");
  CHECK(text(add_op(), i8) == "narrow_i8(x + y)");
  CHECK(text(gelu_op(), f32) == "0.5 * x * (1 + erf(x * 0.70710677))");
  CHECK(text(gelu_op(), f64) == "0.5 * x * (1 + erf(x * 0.7071067811865476))");
  CHECK(text(not_op(), boolean) == "!x");
  CHECK(text(not_op(), u64) == "~x");
  CHECK(text(lt_op(), boolean) == "!x && y");
  CHECK(text(ceil_op(), f32) == "-floor(-x)");
  CHECK(text(round_op(), bf16) == "round_even(x)");
  CHECK(text(is_inf_op(), f32) == "abs(x) == inf");
  CHECK(text(shr_op(), i8) == "narrow_i8(x >> select(y >= 0 && y <= 31, y, 31))");
}
