// SPDX-License-Identifier: Apache-2.0
// The checks [Cn] that ops.h documents for elementwise operators, by message and the user's own line.
#include <fmt/format.h>

#include "tests/ops/error_of.h"

using namespace openinfer;
using openinfer::testing::error_of;

namespace {

struct ElementwiseFixture {
  GraphBuilder b;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {N, 5});
  Value y = b.input("y", f32, {3, 4});
  Value i = b.input("i", i32, {N, 5});
  Value u = b.input("u", u8, {5});
  Value p = b.input("p", boolean, {N, 5});
};

}  // namespace

TEST_CASE_METHOD(ElementwiseFixture, "arithmetic_c1", "[add_c1][sub_c1][mul_c1][div_c1][min_c1][max_c1][fma_c1]") {
  CHECK(error_of([&] { (void)(x + i); }) ==
        "dtype_mismatch: [add] dtypes differ: 'x' f32[N, 5] and 'i' i32[N, 5]; cast one of them");
  CHECK(error_of([&] { (void)(x - i); }).starts_with("dtype_mismatch: [sub] dtypes differ"));
  CHECK(error_of([&] { (void)(i * x); }).starts_with("dtype_mismatch: [mul] dtypes differ"));
  CHECK(error_of([&] { (void)(i / i); }) == "dtype_mismatch: [div] takes f16|bf16|f32|f64, not 'i' i32[N, 5]");
  CHECK(error_of([&] { (void)(p + p); }) ==
        "dtype_mismatch: [add] takes f16|bf16|f32|f64|i8|i16|i32|i64|u8|u16|u32|u64, not 'p' bool[N, 5]");
  CHECK(error_of([&] { (void)max(x, i); }).starts_with("dtype_mismatch: [max] dtypes differ"));
  CHECK(error_of([&] { (void)min(p, p); }).starts_with("dtype_mismatch: [min] takes"));
  CHECK(
      error_of([&] { (void)fma(x, x, i); }).starts_with("dtype_mismatch: [fma] dtypes differ: 'x' f32[N, 5] and 'i'"));
  CHECK(error_of([&] { (void)fma(i, i, i); }).starts_with("dtype_mismatch: [fma] takes f16|bf16|f32|f64, not"));
  CHECK(error_of([&] { (void)(x | add(i)); }).starts_with("dtype_mismatch: [add]"));
}

TEST_CASE_METHOD(ElementwiseFixture, "arithmetic_c2", "[add_c2][sub_c2][mul_c2][div_c2][min_c2][max_c2][fma_c2]") {
  CHECK(error_of([&] { (void)(x + y); }) ==
        "shape_mismatch: [add] shapes do not broadcast: 'x' (N, 5) and 'y' (3, 4); 3 is neither N nor 1");
  CHECK(error_of([&] {
          (void)(y * b.input("z", f32, {3, 5}));
        }).find("'y' (3, 4) and 'z' (3, 5)") != std::string::npos);
  const std::pair<const char*, Value (*)(const In&, const In&)> functions[] = {
      {"add", add}, {"sub", sub}, {"mul", mul}, {"div", div}, {"min", min}, {"max", max}};
  for (const auto& [name, function] : functions)
    CHECK(error_of([&, f = function] {
            (void)f(x, y);
          }).starts_with(fmt::format("shape_mismatch: [{}] shapes do not broadcast", name)));
  CHECK(error_of([&] { (void)fma(x, 2, y); }).starts_with("shape_mismatch: [fma] shapes do not broadcast: 'x' (N, 5)"));
  CHECK(error_of([&] {
          (void)(x - b.input("m", f32, {b.dim("M", 1, 8), 5}));
        }).find("M is neither N nor 1") != std::string::npos);
}

TEST_CASE_METHOD(ElementwiseFixture, "unary_c1",
                 "[neg_c1][abs_c1][relu_c1][exp_c1][log_c1][sqrt_c1][rsqrt_c1][sin_c1][cos_c1][tanh_c1][erf_c1]["
                 "sigmoid_c1][silu_c1][gelu_c1][gelu_tanh_c1]") {
  CHECK(error_of([&] { (void)-u; }) == "dtype_mismatch: [neg] takes f16|bf16|f32|f64|i8|i16|i32|i64, not 'u' u8[5]");
  CHECK(
      error_of([&] { (void)abs(u); }).starts_with("dtype_mismatch: [abs] takes f16|bf16|f32|f64|i8|i16|i32|i64, not"));
  CHECK(error_of([&] { (void)relu(u); }).starts_with("dtype_mismatch: [relu]"));
  const std::pair<const char*, Value (*)(const In&)> functions[] = {
      {"exp", exp},   {"log", log}, {"sqrt", sqrt},       {"rsqrt", rsqrt}, {"sin", sin},   {"cos", cos},
      {"tanh", tanh}, {"erf", erf}, {"sigmoid", sigmoid}, {"silu", silu},   {"gelu", gelu}, {"gelu_tanh", gelu_tanh}};
  for (const auto& [name, function] : functions)
    CHECK(error_of([&, f = function] { (void)f(i); }) ==
          fmt::format("dtype_mismatch: [{}] takes f16|bf16|f32|f64, not 'i' i32[N, 5]", name));
}

TEST_CASE_METHOD(ElementwiseFixture, "more_unary_c1",
                 "[log1p_c1][expm1_c1][softplus_c1][recip_c1][floor_c1][ceil_c1][round_c1][trunc_c1][sign_c1]["
                 "popcount_c1][is_nan_c1][is_inf_c1][is_finite_c1][is_neg_c1]") {
  const std::pair<const char*, Value (*)(const In&)> functions[] = {
      {"log1p", log1p},   {"expm1", expm1},   {"softplus", softplus},  {"recip", recip},
      {"floor", floor},   {"ceil", ceil},     {"round", round},        {"trunc", trunc},
      {"is_nan", is_nan}, {"is_inf", is_inf}, {"is_finite", is_finite}};
  for (const auto& [name, function] : functions)
    CHECK(error_of([&, f = function] { (void)f(i); }) ==
          fmt::format("dtype_mismatch: [{}] takes f16|bf16|f32|f64, not 'i' i32[N, 5]", name));
  CHECK(error_of([&] { (void)sign(u); }).starts_with("dtype_mismatch: [sign] takes f16|bf16|f32|f64|i8|i16|i32|i64"));
  CHECK(error_of([&] { (void)is_neg(u); }).starts_with("dtype_mismatch: [is_neg] takes"));
  CHECK(error_of([&] { (void)popcount(x); }) ==
        "dtype_mismatch: [popcount] takes i8|i16|i32|i64|u8|u16|u32|u64, not 'x' f32[N, 5]");
  CHECK(is_nan(x).type().to_string() == "bool[N, 5]");
  CHECK(popcount(u).type().to_string() == "u8[5]");
}

TEST_CASE_METHOD(ElementwiseFixture, "more_arithmetic_c1",
                 "[pow_c1][clamp_c1][floor_div_c1][rem_c1][xor_c1][shl_c1][shr_c1]") {
  CHECK(error_of([&] { (void)pow(i, i); }) == "dtype_mismatch: [pow] takes f16|bf16|f32|f64, not 'i' i32[N, 5]");
  CHECK(error_of([&] { (void)clamp(x, i, x); }).starts_with("dtype_mismatch: [clamp] dtypes differ: 'x' f32[N, 5]"));
  CHECK(error_of([&] { (void)floor_div(p, p); }).starts_with("dtype_mismatch: [floor_div] takes"));
  CHECK(error_of([&] { (void)rem(x, i); }).starts_with("dtype_mismatch: [rem] dtypes differ"));
  CHECK(error_of([&] {
          (void)xor_(x, x);
        }).starts_with("dtype_mismatch: [xor] takes i8|i16|i32|i64|u8|u16|u32|u64|bool"));
  CHECK(
      error_of([&] { (void)shl(p, p); }).starts_with("dtype_mismatch: [shl] takes i8|i16|i32|i64|u8|u16|u32|u64, not"));
  CHECK(error_of([&] { (void)shr(i, u); }).starts_with("dtype_mismatch: [shr] dtypes differ"));
}

TEST_CASE_METHOD(ElementwiseFixture, "more_arithmetic_c2",
                 "[pow_c2][clamp_c2][floor_div_c2][rem_c2][xor_c2][shl_c2][shr_c2]") {
  const Value j = b.input("j", i32, {7});
  struct Two {
    const char* name;
    Value (*function)(const In&, const In&);
    Value a, b;
  };
  for (const Two& f : {Two{"pow", pow, x, y}, Two{"floor_div", floor_div, i, j}, Two{"rem", rem, x, y},
                       Two{"xor", xor_, i, j}, Two{"shl", shl, i, j}, Two{"shr", shr, i, j}})
    CHECK(error_of([&] {
            (void)f.function(f.a, f.b);
          }).starts_with(fmt::format("shape_mismatch: [{}] shapes do not broadcast", f.name)));
  CHECK(error_of([&] { (void)clamp(x, 0, y); }).starts_with("shape_mismatch: [clamp] shapes do not broadcast"));
}

TEST_CASE_METHOD(ElementwiseFixture, "comparison_c1",
                 "[eq_c1][ne_c1][lt_c1][le_c1][gt_c1][ge_c1][and_c1][or_c1][not_c1]") {
  CHECK(error_of([&] { (void)lt(x, i); }) ==
        "dtype_mismatch: [lt] dtypes differ: 'x' f32[N, 5] and 'i' i32[N, 5]; cast one of them");
  CHECK(error_of([&] {
          (void)and_(x, x);
        }).starts_with("dtype_mismatch: [and] takes i8|i16|i32|i64|u8|u16|u32|u64|bool"));
  CHECK(error_of([&] { (void)or_(i, p); }).starts_with("dtype_mismatch: [or] dtypes differ"));
  CHECK(error_of([&] { (void)not_(x); }).starts_with("dtype_mismatch: [not] takes"));
  for (const auto f : {eq, ne, lt, le, gt, ge})
    CHECK(error_of([&] { (void)f(x, p); }).find("dtypes differ") != std::string::npos);
}

TEST_CASE_METHOD(ElementwiseFixture, "comparison_c2", "[eq_c2][ne_c2][lt_c2][le_c2][gt_c2][ge_c2][and_c2][or_c2]") {
  for (const auto f : {eq, ne, lt, le, gt, ge})
    CHECK(error_of([&] { (void)f(x, y); }).find("shapes do not broadcast: 'x' (N, 5) and 'y'") != std::string::npos);
  CHECK(error_of([&] { (void)or_(i, b.input("k", i32, {7})); }).starts_with("shape_mismatch: [or]"));
  CHECK(error_of([&] { (void)and_(i, b.input("j", i32, {7})); }).starts_with("shape_mismatch: [and]"));
}

TEST_CASE_METHOD(ElementwiseFixture, "select_c1") {
  CHECK(error_of([&] { (void)select(i, x, x); }) ==
        "dtype_mismatch: [select] the condition must be bool, not 'i' i32[N, 5]");
}

TEST_CASE_METHOD(ElementwiseFixture, "select_c2") {
  CHECK(error_of([&] { (void)select(p, x, i); }) ==
        "dtype_mismatch: [select] dtypes differ: 'x' f32[N, 5] and 'i' i32[N, 5]; cast one of them");
}

TEST_CASE_METHOD(ElementwiseFixture, "select_c3") {
  CHECK(error_of([&] { (void)select(p, x, y); }) ==
        "shape_mismatch: [select] shapes do not broadcast: 'p' (N, 5) and 'x' (N, 5) and 'y' (3, 4); 3 is neither N "
        "nor 1");
}
