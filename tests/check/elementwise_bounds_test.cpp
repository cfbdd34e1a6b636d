// SPDX-License-Identifier: Apache-2.0
// Errors through scalar expressions: what f32 arithmetic makes of random numbers stays within them, and they are not
// much larger than they must be.
#include "codegen/check/elementwise_bounds.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "lib/ops/scalar_eval.h"

using namespace openinfer;
using check::Bounded;

namespace {

const ScalarExpr kX = ScalarExpr::parameter("x", ScalarKind::f32), kY = ScalarExpr::parameter("y", ScalarKind::f32);

Bounded column(const std::vector<double>& values, double error = 0) {
  return {values, std::vector<double>(values.size(), error)};
}

float in_f32(const ScalarExpr& e, float x, float y) {
  const std::vector<ScalarExpr> parameters = {kX, kY};
  const std::uint64_t bits[] = {std::bit_cast<std::uint32_t>(x), std::bit_cast<std::uint32_t>(y)};
  return std::bit_cast<float>(static_cast<std::uint32_t>(ScalarProgram(e, parameters).run(bits)));
}

struct Case {
  const char* name;
  ScalarExpr e;
  double slack;  // of errors over what f32 was found to make of it
};

}  // namespace

TEST_CASE("f32 arithmetic stays within the errors, which are no wild guess") {
  const ScalarExpr one = ScalarExpr::constant(ScalarKind::f32, 1);
  const Case cases[] = {{"x + y", kX + kY, 1},
                        {"x * y - x", kX * kY - kX, 3},
                        {"silu", kX / (one + exp(-kX)), 40},
                        {"tanh(x * y)", tanh(kX * kY), 40},
                        {"sqrt(|x|) * cos(y)", sqrt(abs(kX)) * cos(kY), 40},
                        {"log(1 + x²)", log(one + kX * kX), 40},
                        {"relu(x - y)", select(kX - kY < one, one, kX - kY), 3}};
  std::mt19937 random(4);
  const auto number = [&] { return static_cast<float>(static_cast<int>(random() % 8001) - 4000) / 1000; };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    double closest = 0;
    for (int i = 0; i < 4000; ++i) {
      const float x = number(), y = number();
      const Bounded b = check::elementwise(c.e, {kX, kY}, {column({x}), column({y})});
      const float found = in_f32(c.e, x, y);
      CAPTURE(x, y, found, b.value[0], b.error[0]);
      const double most = check::bound_of(DType::f32, b.value[0], b.error[0], found);
      // The store rounds once more, to nearest.
      const double error = std::abs(found - b.value[0]);
      REQUIRE(error <= b.error[0] + 0x1p-24 * std::abs(b.value[0]) * (1 + 1e-9));
      REQUIRE(std::isfinite(most));
      if (b.error[0] > 0) closest = std::max(closest, error / (b.error[0] + 0x1p-24 * std::abs(b.value[0])));
    }
    CHECK(closest * c.slack >= (c.slack == 1 ? 0 : 1));
  }
}

TEST_CASE("errors of operands come through") {
  const Bounded sum = check::elementwise(kX + kY, {kX, kY}, {column({2}, 0.25), column({3}, 0.5)});
  CHECK(sum.error[0] == 0.75);
  const Bounded product = check::elementwise(kX * kY, {kX, kY}, {column({2}, 0.25), column({3}, 0.5)});
  CHECK(product.error[0] == 2 * 0.5 + 3 * 0.25 + 0.25 * 0.5);
  const Bounded power = check::elementwise(exp(kX), {kX}, {column({0}, 1)});
  CHECK(power.error[0] >= std::exp(1.0) - 1);
  CHECK(power.error[0] <= (std::exp(1.0) - 1) * 1.001);
  const Bounded quotient = check::elementwise(kX / kY, {kX, kY}, {column({1}), column({0.5}, 0.5)});
  CHECK(std::isinf(quotient.error[0]));  // it may divide by zero
}

TEST_CASE("a comparison that errors leave open may choose either") {
  const ScalarExpr e = select(kX < kY, kX, ScalarExpr::constant(ScalarKind::f32, 10));
  CHECK(check::elementwise(e, {kX, kY}, {column({1}, 0.25), column({2})}).error[0] == 0.25);
  CHECK(check::elementwise(e, {kX, kY}, {column({1.9}, 0.25), column({2})}).error[0] == Approx(8.1));
  CHECK(check::elementwise(e, {kX, kY}, {column({2}), column({2})}).error[0] == 0);  // exact: not open
}

TEST_CASE("NaN and infinities that must come are exact; those that may come leave no bound") {
  const auto of = [](const ScalarExpr& e, Bounded x, double y = 0) {
    const Bounded made = check::elementwise(e, {kX, kY}, {std::move(x), column({y})});
    return std::pair(made.value[0], made.error[0]);
  };
  const auto is_nan = [](std::pair<double, double> made) { return std::isnan(made.first) && made.second == 0; };
  const std::pair<double, double> infinite = {INFINITY, 0}, below = {-INFINITY, 0};
  const auto anything = [](std::pair<double, double> made) { return std::isinf(made.second); };
  CHECK(of(kX / kY, column({1})) == infinite);
  CHECK(of(kX / kY, column({-1}, 0.5)) == below);
  CHECK(anything(of(kX / kY, column({0.25}, 0.5))));
  CHECK(is_nan(of(kX / kY, column({0}))));
  CHECK(of(exp(kX), column({1000})) == infinite);  // of f64 as well
  CHECK(of(exp(kX), column({100}, 0.5)) == infinite);
  // 2^128 is between the ends: a number that is no smaller than the lower, or infinity.
  const ScalarExpr open_ended = exp(kX);
  const auto [value, least] = of(open_ended, column({88.7}, 0.1));
  CHECK((value == INFINITY && std::exp(88.55) < least && least < std::exp(88.61)));
  CHECK(of(select(-open_ended < ScalarExpr(-1e38f), kY, open_ended), column({88.7}, 0.1), 5) == std::pair(5.0, 0.0));
  CHECK(of(select(open_ended < ScalarExpr(3.3e38f), kY, ScalarExpr(1.f)), column({88.7}, 0.1), 5) ==
        std::pair(1.0, 4.0));
  CHECK(anything(of(ScalarExpr(1.f) / open_ended, column({88.7}, 0.1))));
  CHECK(of(kX * kY + kY, column({1e20}, 1e10), 1e20) == infinite);
  CHECK(anything(of(kX * kX - kY, column({1.85e19}), 1e37)));  // a number where it is one operation
  CHECK(of(ScalarExpr::constant(ScalarKind::f32, 1) / (kX * kX), column({1e30})) == std::pair(0.0, 0.0));
  CHECK(is_nan(of(log(kX), column({-2}, 1))));
  CHECK(anything(of(log(kX), column({0.5}, 1))));
  CHECK(is_nan(of(kX + kY * exp(kY), column({2}, 0.5), NAN)));
  CHECK(is_nan(of(kX - kX, column({INFINITY}))));
  CHECK(is_nan(of(pow(kX, kY), column({-2}, 1), 2.75)));
  CHECK(anything(of(pow(kX, kY), column({-0.5}, 1), 2.75)));
  CHECK(of(pow(kX, kY), column({-2}, 1), 3).second == Approx(27 - 8));
  CHECK(of(select(kX < kY, kX, ScalarExpr(7.f)), column({2}, 0.5), NAN) == std::pair(7.0, 0.0));  // no number is less
  CHECK(of(select(kX < ScalarExpr(2.f), kY, kY + kY), column({2}, 0.5), INFINITY) == infinite);
}

TEST_CASE("what has no bound leaves none behind") {
  const ScalarExpr unknown = bit_cast(bit_cast(kX, ScalarKind::u32) >> 1, ScalarKind::f32);
  const auto none = [&](const ScalarExpr& e) {
    return std::isinf(check::elementwise(e, {kX}, {column({1})}).error[0]);
  };
  CHECK(none(select(unknown < kX, unknown, ScalarExpr(0.75f))));
  CHECK(none(select(unknown < kX, ScalarExpr(0.75f), unknown)));
  CHECK(none(convert(convert(unknown, ScalarKind::i32), ScalarKind::f32)));
  CHECK(none(tanh(unknown)));  // which may be NaN
}

TEST_CASE("operations on bits have no bound for numbers that are not exact") {
  const ScalarExpr e = bit_cast(bit_cast(kX, ScalarKind::u32) >> 1, ScalarKind::f32);
  CHECK(std::isinf(check::elementwise(e, {kX}, {column({1}, 0.5)}).error[0]));
}

TEST_CASE("bounds of what is stored") {
  // An exact number has one f16: any other bits are wrong. Close to a tie it has two.
  CHECK(check::bound_of(DType::f16, 1.0001, 0, Half(1.0001f)) == 0);
  CHECK(check::bound_of(DType::f16, 1.00048828125, 1e-7, 1) == 0x1p-10);
  CHECK(check::bound_of(DType::f32, 2, 0, 2) == 0);
  CHECK(check::bound_of(DType::f32, 2, 0.5, 2) == 0.5);
  CHECK(check::bound_of(DType::f32, 2, 0.5, 2.25) == 0.75);
  CHECK(check::bound_of(DType::f32, NAN, 0, NAN) == 0);
  CHECK(std::isinf(check::bound_of(DType::f32, NAN, INFINITY, NAN)));  // which may be NaN
  CHECK(check::bound_of(DType::f32, INFINITY, 0, INFINITY) == 0);
  CHECK(std::isinf(check::bound_of(DType::f32, INFINITY, 0, 1)));
  CHECK(check::bound_of(DType::f16, INFINITY, 65520, INFINITY) == 0);  // open-ended: all of it rounds to infinity
  CHECK(std::isinf(check::bound_of(DType::f16, INFINITY, 65519, INFINITY)));
  CHECK(std::isinf(check::bound_of(DType::f32, NAN, 0, 1)));
  CHECK(std::isinf(check::bound_of(DType::f32, 1, 0, NAN)));
  CHECK(check::bound_of(DType::f8e4m3, 1000, 0, NAN) == 0);  // it holds no infinity
  CHECK(std::isinf(check::bound_of(DType::f32, 1, INFINITY, 1)));
  CHECK(check::bound_of(DType::f32, 1e-40, 0, 1e-40f) == static_cast<double>(1e-40f));  // flushed to 0
}
