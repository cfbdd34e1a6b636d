// SPDX-License-Identifier: Apache-2.0
// Sizes at the edge of the integers, empty tensors with huge extents, and numbers on the edge between two halves.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "openinfer/half.h"
#include "openinfer/op_def.h"
#include "tests/ops/error_of.h"

using namespace openinfer;
using openinfer::testing::run_error_of;

namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 40;

Graph parse(const std::string& body, const std::string& in, const std::string& out) {
  return parse_graph("oig 1\ngraph (" + in + ") -> (y: " + out + ") {\n" + body + "\n  return y\n}\n", "extreme.oig");
}

Tensor run(const std::string& body, const std::string& in, const std::string& out, const Tensor& x) {
  return SimSession(parse(body, in, out)).run_step({{"x", x}})["y"];
}

}  // namespace

TEST_CASE("extreme_reshape_of_sizes_beyond_the_integers") {
  const auto error = [](const std::string& shape) {
    return run_error_of(
        [&] { (void)parse("y = reshape(x, shape=" + shape + ") : i8[8]", "x: i8[2305843009213693952, 4]", "i8[8]"); });
  };
  CHECK(error("[-1, 5, 3689348814741910323]").find("leaves the range of sizes") != std::string::npos);
  CHECK(error("[-1, 2305843009213693952, 2305843009213693952]").find("leaves the range of sizes") != std::string::npos);
}

TEST_CASE("extreme_reshape_of_the_empty") {
  const Tensor x(f32, {0, 6});
  CHECK(run("y = reshape(x, shape=[3, -1]) : f32[3, 0]", "x: f32[0, 6]", "f32[3, 0]", x).shape() == Extents{3, 0});
  CHECK_THROWS_WITH(parse("y = reshape(x, shape=[0, -1]) : f32[0]", "x: f32[0, 6]", "f32[0]"),
                    Catch::Contains("cannot be shown"));
}

TEST_CASE("extreme_reductions_of_the_empty") {
  const Tensor x(f32, {0, kHuge << 21});
  for (const char* op : {"sum", "mean", "reduce_max"})
    CHECK(run(std::string("y = ") + op + "(x, axes=[1]) : f32[0]", "x: f32[0, 2305843009213693952]", "f32[0]", x)
              .shape() == Extents{0});
}

TEST_CASE("extreme_reductions_keep_the_order_of_their_terms") {
  // Axes 0 and 2 of (3, 2, 4099): more than one piece, and runs that end within a piece.
  Tensor x(f32, {3, 2, 4099});
  auto values = x.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0f / static_cast<float>(i * 7919 % 10007 + 1);
  const Tensor y = run("y = sum(x, axes=[0, 2]) : f32[2]", "x: f32[3, 2, 4099]", "f32[2]", x);
  for (std::size_t kept = 0; kept < 2; ++kept) {
    float p[16] = {};
    for (std::size_t i = 0; i < 3 * 4099; ++i) p[i % 16] += values[(i / 4099 * 2 + kept) * 4099 + i % 4099];
    for (int half = 8; half > 0; half /= 2)
      for (int j = 0; j < half; ++j) p[j] += p[j + half];
    CHECK(y.data<float>()[kept] == p[0]);
  }
}

TEST_CASE("extreme_rows_of_the_empty") {
  const Tensor x(f32, {0, kHuge});
  const std::string in = "x: f32[0, 1099511627776]", out = "f32[0, 1099511627776]";
  CHECK(run("y = softmax(x, axis=0) : " + out, in, out, x).shape() == Extents{0, kHuge});
  CHECK(run("y = concat(x, x, axis=0) : " + out, in, out, x).shape() == Extents{0, kHuge});
  CHECK(run("y = argmax(x, axis=1) : i32[0]", in, "i32[0]", x).shape() == Extents{0});
  CHECK(run("t = iota(shape=[0, 1099511627776], axis=0, dtype=f32) : " + out + "\ny = x + t : " + out, in, out, x)
            .shape() == Extents{0, kHuge});
}

TEST_CASE("extreme_rows_of_the_empty_beyond_the_integers") {
  const Extents shape = {0, std::int64_t{5} << 31, std::int64_t{1} << 31};  // 5·2^62, which wraps to 2^62
  const Tensor x(f32, shape);
  const std::string type = "f32[0, 10737418240, 2147483648]";
  for (const char* call :
       {"softmax(x, axis=0)", "softmax(x, axis=2)", "concat(x, x, axis=0)", "x + x", "transpose(x, order=[0, 1, 2])"})
    CHECK(run(std::string("y = ") + call + " : " + type, "x: " + type, type, x).shape() == shape);
}

TEST_CASE("extreme_rope_of_the_empty") {
  GraphBuilder b;
  auto x = b.input("x", f32, {2, 0});
  auto pos = b.input("pos", i32, {2});
  b.output("y", rope(x, pos, {.head_dim = std::int64_t{1} << 61}));
  SimSession session(b.build());
  CHECK(session.run_step({{"x", Tensor(f32, {2, 0})}, {"pos", Tensor(i32, {2})}})["y"].shape() == Extents{2, 0});
}

TEST_CASE("extreme_doubles_round_once") {
  // 1 + 2^-11 lies between two halves, 1 + 2^-8 between two bfloats; the excess is lost in a float.
  for (const auto& [dtype, tie, even] :
       std::vector<std::tuple<DType, double, int>>{{f16, 1.00048828125, 0x3c00}, {bf16, 1.00390625, 0x3f80}}) {
    const double above = tie + 1e-9;
    GraphBuilder b;
    auto x = b.input("x", dtype, {1});
    b.output("filled", fill(b, {1}, above, dtype));
    b.output("literal", x + above);
    b.output("cast", cast(fill(b, {1}, above, f64), dtype));
    const Graph g = b.build();
    const Outputs out = SimSession(g).run_step({{"x", Tensor(dtype, {1})}});
    for (const char* name : {"filled", "literal", "cast"}) {
      CAPTURE(name, even);
      std::uint16_t bits = 0;
      std::memcpy(&bits, out[name].bytes().data(), sizeof bits);
      CHECK(bits == even + 1);
    }
  }
}

TEST_CASE("extreme_powers_are_one_whatever_a_nan_says") {
  const auto nan = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  const Tensor x{nan(0x7f800001), nan(0xffaab99e), nan(0x7fc00000), INFINITY, 0.0f};  // the first two signal
  const Tensor ones{1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
  CHECK(run("y = pow(x, 0.0) : f32[5]", "x: f32[5]", "f32[5]", x) == ones);
  CHECK(run("y = pow(1.0, x) : f32[5]", "x: f32[5]", "f32[5]", x) == ones);
}

TEST_CASE("extreme_lengths_of_vectors_are_out_of_memory") {
  static const OpDef op = {.name = "overlong",
                           .operands = {{.name = "x"}},
                           .infer = [](const InferContext& c) { return std::vector{c.type(0)}; },
                           .reference = [](OpRun&) { throw std::length_error("vector::reserve"); }};
  GraphBuilder b;
  auto x = b.input("x", f32, {1});
  b.output("y", apply(op, {x}, {}).front());
  SimSession session(b.build());
  CHECK(run_error_of([&] {
          (void)session.run_step({{"x", Tensor(f32, {1})}});
        }) == "out_of_memory: [overlong] no memory left");
}
