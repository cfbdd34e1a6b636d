// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/pointwise.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "codegen/kernel_ir/print.h"
#include "codegen/kernels/scalar_functions.h"
#include "lib/ops/scalar_eval.h"
#include "openinfer/error.h"
#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

using Exprs = std::span<const ScalarExpr>;

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

/// y[a, b, c] = (x[a, b, c] * w[c] + r[a, 1, c]) * s[]
Pointwise broadcasting(std::vector<Extent> axes, DType dtype) {
  Pointwise p = {.axes = std::move(axes)};
  p.inputs = {{"x", dtype, {true, true, true}},
              {"w", dtype, {false, false, true}},
              {"r", dtype, {true, false, true}},
              {"s", dtype, {false, false, false}}};
  const auto mul = [](Exprs v) { return v[0] * v[1]; };
  const auto add = [](Exprs v) { return v[0] + v[1]; };
  p.steps = {{"product", mul, {0, 1}, dtype}, {"sum", add, {4, 2}, dtype}, {"scaled", mul, {5, 3}, dtype}};
  p.outputs = {{"y", dtype, 6}, {"product_out", dtype, 4}};
  return p;
}

void check_broadcasting(const kir::Target& target, std::int64_t A, std::int64_t B, std::int64_t C, DType dtype,
                        bool known) {
  const auto extent = [&](std::int64_t n, const char* name) { return known ? Extent{n} : Extent{1 << 20, name}; };
  const TemplateKernel t =
      pointwise(target, "broadcasting", broadcasting({extent(A, "A"), extent(B, "B"), extent(C, "C")}, dtype));
  Buffers b = {{"x", Data(dtype, noise(A * B * C))}, {"w", Data(dtype, noise(C, 2))},
               {"r", Data(dtype, noise(A * C, 3))},  {"s", Data(dtype, std::vector<double>{3.0})},
               {"y", Data(dtype, A * B * C)},        {"product_out", Data(dtype, A * B * C)}};
  run(t, b, {{"A", A}, {"B", B}, {"C", C}});
  std::vector<double> y, product;
  for (std::int64_t i = 0; i < A * B * C; ++i) {
    product.push_back(b["x"][i] * b["w"][i % C]);
    y.push_back((product.back() + b["r"][i / (B * C) * C + i % C]) * 3);
  }
  // Three operations on numbers below 6, and the store.
  const double bound = 6 * (3 * rounding(dtype == DType::f64 ? dtype : DType::f32) + rounding(dtype));
  INFO(A << " x " << B << " x " << C << " " << name(dtype));
  CHECK(distance(b["y"].values(), y) <= bound);
  CHECK(distance(b["product_out"].values(), product) <= bound);
}

}  // namespace

TEST_CASE("broadcasting over three axes, any target, any dtype") {
  for (const kir::Target& target : targets()) {
    check_broadcasting(target, 3, 5, 37, DType::f32, true);
    check_broadcasting(target, 3, 5, 37, DType::f32, false);
    check_broadcasting(target, 1, 1, 1, DType::f16, true);
    check_broadcasting(target, 2, 0, 8, DType::f32, false);
    for (const DType dtype : {DType::f16, DType::bf16, DType::f64}) check_broadcasting(target, 2, 3, 16, dtype, false);
    check_broadcasting(target, 1, 2, 4099, DType::f32, true);
    check_broadcasting(target, 2, 1, 4099, DType::f32, false);
  }
}

TEST_CASE("one axis and none") {
  for (const kir::Target& target : targets()) {
    for (const std::int64_t n : {0, 1, 7, 4096, 4097, 9001}) {
      Pointwise p = {.axes = {{1 << 20, "n"}}, .inputs = {{"x", DType::i64, {true}}}};
      p.steps = {{"y", [](Exprs v) { return -v[0]; }, {0}, DType::i64}};
      p.outputs = {{"y", DType::i64, 1}};
      Buffers b = {{"x", Data(DType::i64, n)}, {"y", Data(DType::i64, n)}};
      std::vector<double> expected;
      for (std::int64_t i = 0; i < n; ++i) b["x"].set(i, static_cast<double>(i) - 5), expected.push_back(5.0 - i);
      run(pointwise(target, "negate", p), b, {{"n", n}});
      CHECK(b["y"].values() == expected);
    }
    Pointwise p = {.inputs = {{"x", DType::f32, {}}}};
    p.steps = {{"y", [](Exprs v) { return v[0] + ScalarExpr(1); }, {0}, DType::f32}};
    p.outputs = {{"y", DType::f32, 1}};
    Buffers b = {{"x", Data(DType::f32, std::vector<double>{41})}, {"y", Data(DType::f32, 1)}};
    run(pointwise(target, "scalar", p), b);
    CHECK(b["y"][0] == 42);
  }
}

TEST_CASE("scalar functions are functions of the kernel and give the bits that scalar_eval gives") {
  const ScalarExpr x = ScalarExpr::parameter("x", ScalarKind::f32);
  const std::pair<const char*, ScalarExpr> cases[] = {{"exp", exp(x)},
                                                      {"log", log(x)},
                                                      {"sin", sin(x)},
                                                      {"cos", cos(x)},
                                                      {"tanh", tanh(x)},
                                                      {"erf", erf(x)},
                                                      {"rsqrt", rsqrt(x)},
                                                      {"sqrt", sqrt(x)},
                                                      {"silu", x / (ScalarExpr(1) + exp(-x))},
                                                      {"f16", narrow(x, DType::f16)},
                                                      {"bf16", narrow(x, DType::bf16)},
                                                      {"i32", convert(convert(x, ScalarKind::i32), ScalarKind::f32)}};
  std::vector<double> values = noise(300);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= std::exp2(static_cast<double>(i % 30) - 15);
  values.insert(values.end(), {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, 3e38, -2.5, 65520, 1e10});
  const auto n = static_cast<std::int64_t>(values.size());
  for (const auto& row : cases) {
    const auto& name = row.first;
    const ScalarExpr& e = row.second;  // clang 14: lambdas catch no structured bindings
    kir::Build k(name, {.lanes = 8});
    const kir::Mem in = k.in("x", kir::Kind::f32), out = k.out("y", kir::Kind::f32);
    k.for_lanes("i", 0, n, [&](kir::Val i) { out[i] = code_of(k, e, {{"x", in[i]}}); });
    Buffers b = {{"x", Data(DType::f32, values)}, {"y", Data(DType::f32, n)}};
    run({.kernel = k.done(), .grid = {}, .reason = ""}, b);
    const ScalarProgram program(inline_calls(e), {&x, 1});
    std::vector<double> expected;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint64_t bits[] = {load_element(DType::f32, b["x"].bytes().data(), static_cast<std::size_t>(i))};
      expected.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(program.run(bits))));
    }
    CAPTURE(name);
    CHECK(distance(b["y"].values(), expected) == 0);
  }
}

TEST_CASE("what a step narrows the next one sees narrowed") {
  Pointwise p = {.axes = {{3}}, .inputs = {{"x", DType::u8, {true}}}};
  p.steps = {{"twice", [](Exprs v) { return narrow(v[0] + v[0], DType::u8); }, {0}, DType::u8},
             {"y", [](Exprs v) { return convert(v[0], ScalarKind::f32); }, {1}, DType::f32}};
  p.outputs = {{"y", DType::f32, 2}};
  Buffers b = {{"x", Data(DType::u8, std::vector<double>{200, 3, 255})}, {"y", Data(DType::f32, 3)}};
  run(pointwise({.lanes = 4}, "cut", p), b);
  CHECK(b["y"].values() == std::vector<double>{144, 6, 254});
}

TEST_CASE("a scalar input is loaded outside of the loop") {
  const std::string text =
      kir::to_text(pointwise({.lanes = 8}, "k", broadcasting({{2}, {3}, {64}}, DType::f32)).kernel);
  CHECK(text.find("load s ") < text.find("loop"));
  CHECK(text.find("load x ") > text.find("loop"));
}

TEST_CASE("functions that devices lack in f64 are refused") {
  Pointwise p = {.axes = {{3}}, .inputs = {{"x", DType::f64, {true}}}};
  p.steps = {{"y", [](Exprs v) { return exp(v[0]); }, {0}, DType::f64}};
  p.outputs = {{"y", DType::f64, 1}};
  CHECK(message_of([&] { pointwise({}, "k", p); }) ==
        "[exp] devices compute it in f32 only, not in f64; cast the operand");
  CHECK(message_of([] { memory_kind(DType::q4_0); }).find("elements of q4_0 have no address") != std::string::npos);
}
