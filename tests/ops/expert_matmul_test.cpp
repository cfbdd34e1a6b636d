// SPDX-License-Identifier: Apache-2.0
// The checks [Cn] of expert_matmul, and that it reads the experts that somebody chose, and no other.
#include <catch2/catch.hpp>

#include "openinfer/ops.h"
#include "openinfer/sim.h"
#include "tests/ops/error_of.h"
#include "tests/sim/test_package.h"

using namespace openinfer;
using openinfer::testing::error_of;
using openinfer::testing::run_error_of;

namespace {

struct Experts {
  GraphBuilder b;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {N, 6});
  Value each = b.input("each", f32, {N, 2, 6});
  Value w = b.input("w", f32, {3, 6, 4});
  Value ids = b.input("ids", i32, {N, 2});
};

}  // namespace

TEST_CASE_METHOD(Experts, "expert_matmul has a row of the result for each choice") {
  CHECK(expert_matmul(x, w, ids).type() == TensorType{f32, {N, 2, 4}});
  CHECK((each | expert_matmul(w, ids)).type() == TensorType{f32, {N, 2, 4}});
}
TEST_CASE_METHOD(Experts, "expert_matmul_c1") {
  const auto error = [&](const Value& a, const Value& m, const Value& chosen) {
    return error_of([&] { (void)expert_matmul(In(a, At("expert_matmul_test.cpp", 33)), m, chosen); },
                    At("expert_matmul_test.cpp", 33));
  };
  CHECK(error(x, w, b.input("flat", i32, {N})) ==
        "shape_mismatch: [expert_matmul] takes x (N, K) or (N, J, K), w (E, K, M) and ids (N, J), not 'x' (N, 6), 'w' "
        "(3, 6, 4) and 'flat' (N)");
  for (const Value& bad : {b.input("one", f32, {6, 4}), b.input("none", f32, {0, 6, 4})})
    CHECK(error(x, bad, ids).starts_with("shape_mismatch: [expert_matmul] takes"));
  CHECK(error(each, w, b.input("three", i32, {N, 3})).starts_with("shape_mismatch: [expert_matmul] takes"));
  CHECK(error(x, w, b.input("rows", i32, {5, 2})).starts_with("shape_mismatch: [expert_matmul] takes"));
}
TEST_CASE_METHOD(Experts, "expert_matmul_c2") {
  CHECK(error_of([&] {
          (void)expert_matmul(b.input("h", f32, {N, 5}), w, ids);
        }) == "shape_mismatch: [expert_matmul] K differs: lhs (N, 5) vs rhs (3, 6, 4) 'w'");
}
TEST_CASE_METHOD(Experts, "expert_matmul_c3") {
  CHECK(error_of([&] {
          (void)expert_matmul(x, b.input("d", f64, {3, 6, 4}), ids);
        }) == "dtype_mismatch: [expert_matmul] 'd' f64[3, 6, 4] cannot be multiplied with 'x' f32[N, 6]; cast it");
  CHECK(error_of([&] {
          (void)expert_matmul(b.input("i", i32, {N, 6}), w, ids);
        }).starts_with("dtype_mismatch: [expert_matmul]"));
}
TEST_CASE_METHOD(Experts, "expert_matmul_c4") {
  CHECK(error_of([&] {
          (void)expert_matmul(x, w, b.input("long", i64, {N, 2}));
        }) == "dtype_mismatch: [expert_matmul] ids are i32, not 'long' i64[N, 2]");
}
TEST_CASE_METHOD(Experts, "expert_matmul names the id that is no expert") {
  b.output("y", expert_matmul(x, w, ids));
  SimSession sim(b.build());
  const Tensor rows(std::vector<float>(12), {2, 6}), weights(std::vector<float>(72), {3, 6, 4});
  for (const std::int32_t bad : {3, -1})
    CHECK(
        run_error_of([&] {
          sim.run_step({{"x", rows}, {"w", weights}, {"ids", Tensor(std::vector<std::int32_t>{0, 1, 2, bad}, {2, 2})}});
        }) == "invalid_argument: [expert_matmul] id " + std::to_string(bad) + " at place 3 is outside the 3 experts");
}

TEST_CASE("expert_matmul reads the experts that somebody chose, and no other") {
  constexpr std::int64_t kExpertBytes = 6 * 4 * 4;
  sim_test::TestPackage package("chosen_experts");
  package.add("rows", {8, 6, 4}, std::vector<float>(8 * 6 * 4, 1.f), true);
  package.add("columns", {8, 6, 4}, std::vector<float>(8 * 6 * 4, 1.f));
  const Model model = package.open();
  for (const char* key : {"rows", "columns"}) {
    const Graph g = graph(model, [&](GraphBuilder& b) {
      b.output("y", expert_matmul(b.input("x", f32, {2, 6}), model[key], b.input("ids", i32, {2, 2})));
    });
    SimSession sim(model, g);
    const Tensor x(std::vector<float>(12, 1.f), {2, 6});
    sim.run_step({{"x", x}, {"ids", Tensor(std::vector<std::int32_t>{5, 1, 1, 5}, {2, 2})}});
    CHECK(sim.stats().bytes_read == 2 * kExpertBytes);
  }
}
