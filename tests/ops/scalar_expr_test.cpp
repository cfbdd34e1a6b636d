// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "lib/ops/scalar_eval.h"
#include "openinfer/error.h"

using namespace openinfer;
using Kind = ScalarKind;

namespace {

const ScalarExpr x = ScalarExpr::parameter("x", Kind::f32);
const ScalarExpr y = ScalarExpr::parameter("y", Kind::f32);
const ScalarExpr i = ScalarExpr::parameter("i", Kind::i32);
const ScalarExpr u = ScalarExpr::parameter("u", Kind::u32);
const ScalarExpr d = ScalarExpr::parameter("d", Kind::f64);
const ScalarExpr p = ScalarExpr::parameter("p", Kind::boolean);
const ScalarExpr q = ScalarExpr::parameter("q", Kind::boolean);

std::uint32_t bits(float v) { return std::bit_cast<std::uint32_t>(v); }
float as_float(std::uint64_t v) { return std::bit_cast<float>(static_cast<std::uint32_t>(v)); }
std::int32_t as_int(std::uint64_t v) { return static_cast<std::int32_t>(v); }

std::uint64_t eval(const ScalarExpr& e, const ScalarExpr& parameter, std::uint64_t value) {
  return ScalarProgram(e, std::array{parameter}).run(std::array{value});
}
float eval(const ScalarExpr& e, float value) { return as_float(eval(e, x, bits(value))); }
std::int32_t eval(const ScalarExpr& e, std::int32_t value) {
  return as_int(eval(e, i, static_cast<std::uint32_t>(value)));
}

}  // namespace

TEST_CASE("scalar_literals_take_the_kind_they_meet") {
  CHECK((ScalarExpr(2) * x).operands()[0].kind() == Kind::f32);
  CHECK((i + ScalarExpr(2)).operands()[1].bits() == 2);
  CHECK((i + ScalarExpr(-2)).operands()[1].bits() == 0xfffffffeu);
  CHECK((ScalarExpr(1) / ScalarExpr(3)).kind() == Kind::literal);
  // Arithmetic on literals happens in the kind that they get, as it does on T(1) in the reference's lambda.
  CHECK(eval(x + ScalarExpr(1) / ScalarExpr(3), 0.0f) == 1.0f / 3.0f);
  CHECK(ScalarExpr(0.1).as(Kind::f32).value() == 0.1f);
  CHECK_THROWS_WITH(i + ScalarExpr(0.5), "[scalar] 0.5 is no value of i32");
  CHECK_THROWS_WITH(u + ScalarExpr(-1), "[scalar] -1 is no value of u32");
  CHECK_THROWS_WITH(ScalarProgram(ScalarExpr(1) + ScalarExpr(1), {}), Catch::Contains("1 + 1 has no kind"));
}

TEST_CASE("scalar_kinds_do_not_mix") {
  CHECK_THROWS_WITH(x + i, "[scalar] add takes values of one kind, not f32 x and i32 i; convert one");
  CHECK_THROWS_WITH(select(x, x, y), "[scalar] x is f32, not bool; convert it");
  CHECK_THROWS_WITH(p / p, "[scalar] div does not take bool p");
  CHECK_THROWS_WITH(exp(i), "[scalar] exp does not take i32 i");
  CHECK_THROWS_WITH(x & y, "[scalar] bit_and does not take f32 x");
  CHECK_THROWS_WITH(p + q, "[scalar] add does not take bool p");
  CHECK_THROWS_WITH(bit_cast(d, Kind::i32), "[scalar] bit_cast does not take f64 d");
  CHECK_THROWS_WITH(compute_kind(DType::q8_0), Catch::Contains("q8_0 elements have no arithmetic"));
}

TEST_CASE("scalar_text_reads_as_cpp") {
  CHECK(to_string((x + y) * x - (y - (x - y))) == "(x + y) * x - (y - (x - y))");
  CHECK(to_string(-(x * y)) == "-(x * y)");
  CHECK(to_string(select(x < y && !(y == x), x, fma(x, y, ScalarExpr(0.5)))) ==
        "select(x < y && !(y == x), x, fma(x, y, 0.5))");
  CHECK(to_string(bit_cast((bit_cast(x, Kind::i32) >> 23 & ScalarExpr(255)) - ScalarExpr(127), Kind::f32)) ==
        "bits_as_f32((bits_as_i32(x) >> 23 & 255) - 127)");
  CHECK(to_string(convert(round_even(x), Kind::i32)) == "i32(round_even(x))");
  CHECK(to_string(narrow(x, f16)) == "narrow_f16(x)");
  const ScalarExpr square = x * x, r = (square + y).named("r");
  CHECK(to_string(square * square) == "t0 = x * x; t0 * t0");
  CHECK(to_string(r * r + square) == "t0 = x * x; r = t0 + y; r * r + t0");
}

TEST_CASE("scalar_booleans_are_ordered_by_logic") {
  CHECK(to_string(p < q) == "!p && q");
  CHECK(to_string(p >= q) == "p || !q");
  CHECK(to_string(p & q) == "p && q");
  CHECK(to_string(p ^ q) == "p != q");
  CHECK(to_string(convert(x, Kind::boolean)) == "x != 0");
}

TEST_CASE("scalar_integers_wrap_and_shift") {
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  CHECK(eval(-i, lowest) == lowest);
  CHECK(eval(abs(i), lowest) == lowest);
  CHECK(eval(i - ScalarExpr(1), lowest) == std::numeric_limits<std::int32_t>::max());
  CHECK(eval(i * i, 65537) == 131073);
  CHECK(eval(i >> 4, -256) == -16);
  CHECK(eval(i << 31, 3) == lowest);
  CHECK(eval(u >> 4, u, 0xffffff00u) == 0x0ffffff0u);
  CHECK_THROWS_WITH(eval(i << 32, 1), Catch::Contains("a shift of 32 bits by 32"));
}

TEST_CASE("scalar_conversions_saturate") {
  const ScalarExpr to_int = bit_cast(convert(x, Kind::i32), Kind::f32);  // carries the integer's bits
  CHECK(bits(eval(to_int, 3.99f)) == 3);
  CHECK(as_int(bits(eval(to_int, -3.99f))) == -3);
  CHECK(as_int(bits(eval(to_int, 1e20f))) == std::numeric_limits<std::int32_t>::max());
  CHECK(as_int(bits(eval(to_int, -1e20f))) == std::numeric_limits<std::int32_t>::min());
  CHECK(bits(eval(to_int, std::numeric_limits<float>::quiet_NaN())) == 0);
  CHECK(eval(convert(x, Kind::u32), x, bits(-1.0f)) == 0);
  CHECK(eval(convert(convert(i, Kind::u64), Kind::f64), i, 0xffffffffu) ==
        std::bit_cast<std::uint64_t>(18446744073709551616.0));  // -1 keeps its low bits, all set
}

TEST_CASE("scalar_rounding") {
  for (auto [in, even, down] : {std::array{0.5f, 0.0f, 0.0f},
                                {1.5f, 2.0f, 1.0f},
                                {2.5f, 2.0f, 2.0f},
                                {-0.5f, -0.0f, -1.0f},
                                {-1.5f, -2.0f, -2.0f},
                                {0.49999997f, 0.0f, 0.0f},
                                {8388609.0f, 8388609.0f, 8388609.0f},
                                {-0.0f, -0.0f, -0.0f}}) {
    CAPTURE(in);
    CHECK(bits(eval(round_even(x), in)) == bits(even));
    CHECK(bits(eval(floor(x), in)) == bits(down));
  }
  CHECK(std::isinf(eval(round_even(x), std::numeric_limits<float>::infinity())));
  CHECK(eval(narrow(x, f16), 1.0f + 0x1p-11f) == 1.0f);
  CHECK(eval(narrow(x, bf16), 1.01171875f) == 1.015625f);
  CHECK(eval(narrow(i, i8), 200) == -56);
  CHECK(eval(narrow(u, u16), u, 0x12345u) == 0x2345u);
}

TEST_CASE("scalar_min_and_max_hand_on_nans") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(eval(max(x, ScalarExpr(1)), nan)));
  CHECK(std::isnan(eval(min(ScalarExpr(1), x), nan)));
  CHECK(eval(max(x, ScalarExpr(1)), 2.0f) == 2.0f);
  CHECK(bits(eval(max(ScalarExpr(0), x), -0.0f)) == bits(0.0f));  // equal: the first
}

TEST_CASE("scalar_programs_compute_what_is_shared_once") {
  ScalarExpr e = x;
  for (int k = 0; k < 40; ++k) e = e + e;  // 2^40 additions as a tree
  const ScalarProgram program(e, std::array{x});
  CHECK(program.operations() == 40);
  CHECK(as_float(program.run(std::array{std::uint64_t{bits(1)}})) == 0x1p40f);
  CHECK_THROWS_WITH(ScalarProgram(e + y, std::array{x}), "[scalar] no value is given for the parameter y");
  CHECK_THROWS_WITH(ScalarProgram(ScalarExpr::call("gamma", {x}), std::array{x}),
                    Catch::Contains("no std:: function 'gamma'"));
}
