// SPDX-License-Identifier: Apache-2.0
// Each scalar function against the same function of doubles, whose own error is 1e-9 of an f32's last place: arguments
// spread over all bit patterns, special values, pairs for the division. `kernels_tests "[dense]"` takes 20 times more.
#include <fmt/format.h>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "codegen/kernels/scalar_functions.h"
#include "lib/ops/scalar_eval.h"
#include "tests/sanitizers.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min(), kMax = std::numeric_limits<float>::max();

struct Exact {
  std::string_view name;
  double (*f)(double);
};
constexpr std::array kExact = {
    Exact{"reciprocal", [](double x) { return 1 / x; }},
    Exact{"sqrt", [](double x) { return std::sqrt(x); }},
    Exact{"rsqrt", [](double x) { return 1 / std::sqrt(x); }},
    Exact{"exp", [](double x) { return std::exp(x); }},
    Exact{"exp_fma", [](double x) { return std::exp(x) < 0x1p-126 ? 0 : std::exp(x); }},
    Exact{"log", [](double x) { return std::log(x); }},
    Exact{"tanh", [](double x) { return std::tanh(x); }},
    Exact{"erf", [](double x) { return std::erf(x); }},
    Exact{"sigmoid", [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }},
    Exact{"log1p", [](double x) { return std::log1p(x); }},
    Exact{"expm1", [](double x) { return std::expm1(x); }},
    Exact{"sin", [](double x) { return std::sin(x); }},
    Exact{"cos", [](double x) { return std::cos(x); }},
};

std::uint64_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
float as_float(std::uint64_t b) { return std::bit_cast<float>(static_cast<std::uint32_t>(b)); }

/// Error of y in units of the last place of the exact value as an f32; infinity where not even the kind of value is
/// right: a NaN, an infinity, or the sign of a zero.
double error_ulp(float y, double exact) {
  if (std::isnan(exact)) return std::isnan(y) ? 0 : INFINITY;
  constexpr double kOverflow = 0x1.ffffffp127;  // from here on the nearest f32 is infinity
  if (std::isinf(y)) return std::abs(exact) >= kOverflow * (1 - 0x1p-24) && (y > 0) == (exact > 0) ? 0 : INFINITY;
  if (std::isnan(y) || std::isinf(exact)) return INFINITY;
  if (exact == 0) return y == 0 && std::signbit(y) == std::signbit(exact) ? 0 : INFINITY;
  const double unit = std::abs(exact) < 0x1p-126 ? 0x1p-149 : std::ldexp(1.0, std::ilogb(exact) - 23);
  return std::abs(static_cast<double>(y) - exact) / unit;
}

struct Worst {
  double ulp = 0;
  float at[2] = {};
  void see(double error, float a, float b = 0) {
    if (error > ulp) ulp = error, at[0] = a, at[1] = b;
  }
};

bool calls(const ScalarExpr& body, std::string_view name) {
  for (const ScalarFunction* f : functions_of(body))
    if (f->name == name) return true;
  return false;
}

/// Every `step`-th bit pattern. What is made of exp_fma may be 0 where it is below 2^-126.
Worst worst_of(const ScalarExpr& body, const ScalarFunction& f, double (*exact)(double), std::uint64_t step) {
  const bool flushes = calls(body, "exp_fma");
  const ScalarProgram program(inline_calls(body), f.parameters);
  constexpr std::size_t kBlock = 4096;
  std::vector<std::uint64_t> in(kBlock), out(kBlock);
  Worst worst;
  for (std::uint64_t next = 0; next < std::uint64_t{1} << 32;) {
    std::size_t n = 0;
    for (; n < kBlock && next < std::uint64_t{1} << 32; next += step) in[n++] = next;
    program.run(std::array<const std::uint64_t*, 1>{in.data()}, out.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const double y = exact(static_cast<double>(as_float(in[i])));
      if (flushes && std::abs(y) < 0x1p-126 && as_float(out[i]) == 0) continue;
      worst.see(error_ulp(as_float(out[i]), y), as_float(in[i]));
    }
  }
  return worst;
}

void check_bounds(std::uint64_t step) {
  for (const auto& [name, exact] : kExact) {
    const ScalarFunction& f = *definition(name);
    const bool divides = name == "tanh" || name == "sigmoid" || name == "log1p";
    std::vector<ScalarExpr> bodies = {f.body};
    if (divides) bodies.push_back(divide_by_call(f.body));
    if (calls(f.body, "exp")) bodies.push_back(exp_by_fma(f.body));
    for (const ScalarExpr& body : bodies) {
      const Worst worst = worst_of(body, f, exact, step);
      CAPTURE(name, worst.at[0], worst.ulp);
      CHECK(worst.ulp <= f.ulp);
      CHECK(worst.ulp > f.ulp / 4);  // a bound that says something
    }
  }
}

/// Pairs of random bits, and pairs whose quotient is near an edge of the range.
Worst worst_division(std::size_t pairs) {
  const ScalarFunction& f = *definition("div");
  const ScalarProgram program(f.body, f.parameters);
  constexpr std::size_t kBlock = 4096;
  std::vector<std::uint64_t> a(kBlock), b(kBlock), out(kBlock);
  std::uint64_t state = 1;
  Worst worst;
  for (std::size_t done = 0; done < pairs; done += kBlock) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
      a[i] = state >> 32;
      b[i] = (state >> 7) * 0x9e3779b9u & 0xffffffffu;
      if (i % 4 == 0) b[i] = (b[i] & 0x007fffff) | (a[i] & 0xff800000);               // near 1
      if (i % 4 == 1) b[i] = (b[i] & 0x807fffff) | (((a[i] >> 23 & 255) / 2) << 23);  // far from it
    }
    program.run(std::array<const std::uint64_t*, 2>{a.data(), b.data()}, out.data(), kBlock);
    for (std::size_t i = 0; i < kBlock; ++i) {
      const float x = as_float(a[i]), y = as_float(b[i]);
      worst.see(error_ulp(as_float(out[i]), static_cast<double>(x) / static_cast<double>(y)), x, y);
    }
  }
  return worst;
}

void check_division(std::size_t pairs) {
  const Worst worst = worst_division(pairs);
  CAPTURE(worst.at[0], worst.at[1], worst.ulp);
  CHECK(worst.ulp <= definition("div")->ulp);
  CHECK(worst.ulp > 0.49);
}

/// Bases of all sizes and powers that leave the result a number; bases around 1 with large powers; whole powers of
/// negative bases.
Worst worst_power(const ScalarExpr& body, std::size_t pairs) {
  const ScalarFunction& f = *definition("pow");
  const ScalarProgram program(inline_calls(body), f.parameters);
  constexpr std::size_t kBlock = 4096;
  std::vector<std::uint64_t> a(kBlock), b(kBlock), out(kBlock);
  std::uint64_t state = 1;
  Worst worst;
  for (std::size_t done = 0; done < pairs; done += kBlock) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
      float x = as_float(state >> 33);                              // positive
      if (i % 3 == 0) x = 1 + (x - std::floor(x)) * static_cast<float>(std::ldexp(1, -static_cast<int>(i % 20)));
      const double log = std::log2(static_cast<double>(x));
      const double wanted = static_cast<double>(static_cast<std::int32_t>(state << 8 >> 32)) * 0x1p-31 * 152;
      float y = static_cast<float>(wanted / (log == 0 ? 1 : log));
      if (i % 5 == 0) y = std::round(y), x = -x;
      a[i] = bits(x), b[i] = bits(y);
    }
    program.run(std::array<const std::uint64_t*, 2>{a.data(), b.data()}, out.data(), kBlock);
    for (std::size_t i = 0; i < kBlock; ++i) {
      const float x = as_float(a[i]), y = as_float(b[i]);
      worst.see(error_ulp(as_float(out[i]), std::pow(static_cast<double>(x), static_cast<double>(y))), x, y);
    }
  }
  return worst;
}

void check_power(std::size_t pairs) {
  const ScalarFunction& f = *definition("pow");
  for (const ScalarExpr& body : {f.body, divide_by_call(f.body)}) {
    const Worst worst = worst_power(body, pairs);
    CAPTURE(worst.at[0], worst.at[1], worst.ulp);
    CHECK(worst.ulp <= f.ulp);
    CHECK(worst.ulp > 0.49);
  }
}

float value_of(std::string_view name, std::initializer_list<float> arguments) {
  const ScalarFunction& f = *definition(name);
  std::vector<std::uint64_t> values;
  for (float x : arguments) values.push_back(bits(x));
  return as_float(ScalarProgram(inline_calls(f.body), f.parameters).run(values));
}

}  // namespace

TEST_CASE("scalar_functions_keep_their_bounds") { check_bounds(2147 * kFewer * kFewer); }  // 2e6 arguments
TEST_CASE("scalar_functions_keep_their_bounds_densely", "[.][dense]") { check_bounds(101); }
TEST_CASE("scalar_division_keeps_its_bound") { check_division(2'000'000 / kFewer); }
TEST_CASE("scalar_division_keeps_its_bound_densely", "[.][dense]") { check_division(100'000'000); }

TEST_CASE("scalar_power_keeps_its_bound") { check_power(1'000'000 / kFewer); }
TEST_CASE("scalar_power_keeps_its_bound_densely", "[.][dense]") { check_power(50'000'000); }

TEST_CASE("scalar_functions_at_special_values") {
  const std::vector<float> special = {
      0.0f,        -0.0f,    kInfinity, -kInfinity, kNan,      kDenormal, -kDenormal, 0x1p-126f,   -0x1p-126f,
      0x1.8p-127f, kMax,     -kMax,     1.0f,       -1.0f,     88.72283f, 88.72284f,  -87.33654f,  -87.33655f,
      -103.97f,    -103.98f, -104.0f,   -150.0f,    0.6f,      -0.6f,     0.93f,      4.0f,        9.01f,
      9.02f,       1e-30f,   0x1p126f,  0x1p127f,   -0x1p127f, 0x1p64f,   0x1p-64f,   0.70710677f, 1.4142135f};
  for (const auto& [name, exact] : kExact)
    for (float x : special) {
      const float y = value_of(name, {x});
      CAPTURE(name, x, y);
      CHECK(error_ulp(y, exact(static_cast<double>(x))) <= definition(name)->ulp);
    }
}

TEST_CASE("scalar_division_of_special_values") {
  const float edges[] = {0.0f, -0.0f,     1.0f,  -3.0f,     kInfinity, -kInfinity,
                         kNan, kDenormal, -kMax, 0x1p-126f, 0x1.8p127f};
  for (float a : edges)
    for (float b : edges) {
      const float got = value_of("div", {a, b});
      CAPTURE(a, b, got);
      CHECK(error_ulp(got, static_cast<double>(a) / static_cast<double>(b)) <= definition("div")->ulp);
    }
}

TEST_CASE("scalar_power_of_special_values") {
  const float edges[] = {0.0f,  -0.0f,     1.0f,      -1.0f, 0.5f,        -2.0f,     3.0f,
                         -3.0f, 2.5f,      -0.5f,     1e30f, kMax,        kInfinity, -kInfinity,
                         kNan,  kDenormal, 0x1p-126f, -kMax, 16777217.0f, 8388609.0f};
  for (float a : edges)
    for (float b : edges) {
      const float got = value_of("pow", {a, b});
      CAPTURE(a, b, got);
      CHECK(error_ulp(got, std::pow(static_cast<double>(a), static_cast<double>(b))) <= definition("pow")->ulp);
    }
}

TEST_CASE("scalar_sine_of_large_arguments") {
  // 16367173 · 2^72 is the f32 that lies nearest to a multiple of π/2 (J.-M. Muller, Elementary Functions, 2006).
  for (float x : {16367173 * 0x1p72f, 710.0f, 32768.0f, 131071.0f, 1e6f, 1e10f, 3.4e38f, 1.5707964f, 3.1415927f}) {
    CAPTURE(x);
    for (float sign : {1.0f, -1.0f}) {
      CHECK(error_ulp(value_of("sin", {sign * x}), std::sin(static_cast<double>(sign * x))) <= 1.0);
      CHECK(error_ulp(value_of("cos", {sign * x}), std::cos(static_cast<double>(sign * x))) <= 1.0);
    }
  }
}

TEST_CASE("scalar_functions_come_after_those_they_call") {
  const auto names = [](const ScalarExpr& e) {
    std::string list;
    for (const ScalarFunction* f : functions_of(e)) list += std::string(f->name) + " ";
    return list;
  };
  const ScalarExpr x = ScalarExpr::parameter("x", ScalarKind::f32), d = ScalarExpr::parameter("d", ScalarKind::f64);
  const ScalarExpr silu = x / (ScalarExpr(1) + exp(-x));
  CHECK(names(silu) == "exp ");
  CHECK(names(divide_by_call(silu)) == "div exp ");
  CHECK(names(exp_by_fma(silu + tanh(x))) == "exp exp_fma tanh ");  // what tanh calls is its body's
  CHECK(names(erf(x) + sin(x)) == "exp erf sin ");
  CHECK(names(exp(d)).empty());  // f64 is the language's own
  CHECK(definition("exp", ScalarKind::f64) == nullptr);
  CHECK(definition("gamma") == nullptr);
  for (const ScalarFunction& f : scalar_functions()) {
    CAPTURE(f.name);
    for (const ScalarFunction* called : functions_of(f.body)) CHECK(called < &f);
    CHECK(f.comment.find(fmt::format("{} ULP", f.ulp)) != std::string_view::npos);
  }
}

TEST_CASE("scalar_calls_are_replaced_by_bodies") {
  const ScalarExpr x = ScalarExpr::parameter("x", ScalarKind::f32);
  const ScalarExpr inlined = inline_calls(tanh(x + x) * tanh(x + x));
  CHECK(to_string(inlined).find("tanh") == std::string::npos);
  CHECK(to_string(inlined).find("exp") == std::string::npos);
  const ScalarProgram program(inlined, std::array{x});
  CHECK(as_float(program.run(std::array{bits(0.25f)})) == Approx(std::tanh(0.5) * std::tanh(0.5)).epsilon(1e-6));
}
