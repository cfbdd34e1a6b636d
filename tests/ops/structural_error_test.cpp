// SPDX-License-Identifier: Apache-2.0
// The checks [Cn] of what orders and places elements, and of drawing.
#include "tests/ops/direct_run.h"
#include "tests/ops/error_of.h"

using namespace openinfer;
using openinfer::testing::error_of;
using openinfer::testing::run_error_of;

namespace {

struct Fixture {
  GraphBuilder b;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {N, 6});
  Value i = b.input("i", i32, {N, 6});
  Value p = b.input("p", boolean, {N, 6});
  Value ids = b.input("ids", i32, {3});
};

bool has(const std::string& error, std::string_view part) { return error.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_METHOD(Fixture, "top_k_c1") {
  CHECK(error_of([&] { (void)top_k(x, 2, 2); }) ==
        "invalid_argument: [top_k] axis 2 is outside 'x' (N, 6), which has 2 dimensions");
}
TEST_CASE_METHOD(Fixture, "top_k_c2") {
  CHECK(error_of([&] { (void)top_k(p, 2); }).starts_with("dtype_mismatch: [top_k] takes f16|bf16"));
}
TEST_CASE_METHOD(Fixture, "top_k_c3") {
  CHECK(error_of([&] { (void)top_k(x, 7); }) ==
        "shape_mismatch: [top_k] the 7 largest of 6 elements, at least 6, of 'x' (N, 6)");
  CHECK(has(error_of([&] { (void)top_k(x, 2, 0); }), "the 2 largest of N elements, at least 1"));
  CHECK(has(error_of([&] { (void)top_k(x, 0); }), "the 0 largest of 6"));
  CHECK(std::get<1>(top_k(x, 1, 0)).type().to_string() == "i32[1, 6]");
}

TEST_CASE_METHOD(Fixture, "sort_c1", "[cumsum_c1][flip_c1]") {
  CHECK(has(error_of([&] { (void)sort(x, {.axis = 2}); }), "invalid_argument: [sort] axis 2 is outside 'x'"));
  CHECK(has(error_of([&] { (void)argsort(x, {.axis = -3}); }), "[sort] axis -3 is outside 'x'"));
  CHECK(has(error_of([&] { (void)cumsum(x, 2); }), "invalid_argument: [cumsum] axis 2 is outside 'x'"));
  CHECK(has(error_of([&] { (void)(x | flip({2})); }), "invalid_argument: [flip] axis 2 is outside 'x'"));
  CHECK(error_of([&] { (void)flip(x, {1, -1}); }) == "invalid_argument: [flip] axis -1 of 'x' (N, 6) is named twice");
}
TEST_CASE_METHOD(Fixture, "sort_c2", "[cumsum_c2]") {
  CHECK(has(error_of([&] { (void)sort(p); }), "dtype_mismatch: [sort] takes f16|bf16|f32|f64|i8"));
  CHECK(has(error_of([&] { (void)(p | cumsum()); }), "dtype_mismatch: [cumsum] takes f16|bf16|f32|f64|i8"));
}

TEST_CASE_METHOD(Fixture, "scatter_c1", "[scatter_add_c1]") {
  CHECK(error_of([&] { (void)scatter(x, x, x); }) == "dtype_mismatch: [scatter] ids are i32 or i64, not 'x' f32[N, 6]");
  CHECK(has(error_of([&] { (void)scatter_add(x, x, x); }), "ids are i32 or i64"));
}
TEST_CASE_METHOD(Fixture, "scatter_c2", "[scatter_add_c2]") {
  CHECK(has(error_of([&] { (void)scatter(x, ids, x, 2); }), "invalid_argument: [scatter] axis 2 is outside 'x'"));
  CHECK(has(error_of([&] { (void)scatter_add(x, ids, x, -3); }), "axis -3 is outside 'x'"));
}
TEST_CASE_METHOD(Fixture, "scatter_c3", "[scatter_add_c3]") {
  CHECK(has(error_of([&] { (void)scatter(x, ids, i); }), "dtype_mismatch: [scatter] dtypes differ: 'x' f32[N, 6]"));
  CHECK(has(error_of([&] { (void)scatter_add(p, ids, p); }), "dtype_mismatch: [scatter] takes f16"));
}
TEST_CASE_METHOD(Fixture, "scatter_c4", "[scatter_add_c4]") {
  CHECK(error_of([&] { (void)scatter(x, ids, x); }) ==
        "shape_mismatch: [scatter] 'x' (N, 6) is not (3, 6): what 'x' (N, 6) has at 'ids' (3) along axis 0");
  CHECK(has(error_of([&] { (void)scatter_add(x, ids, x, 1); }), "is not (N, 3)"));
  const Graph g = graph([](GraphBuilder& b) {
    b.output("y", scatter(b.input("x", f32, {3}), b.input("ids", i32, {1}), b.input("u", f32, {1})));
  });
  CHECK(run_error_of([&] {
          openinfer::testing::run_directly(g, {{"x", Tensor(f32, {3})}, {"ids", Tensor{3}}, {"u", Tensor{1.0f}}});
        }).starts_with("invalid_argument: [scatter] id 3 at place 0 is outside x, which has 3 entries"));
}

TEST_CASE_METHOD(Fixture, "random_below_c1", "[fixed_exp2_c1]") {
  CHECK(has(error_of([&] { (void)random_below(i, i, i); }), "dtype_mismatch: [random_below] takes u8|u16|u32|u64"));
  CHECK(has(error_of([&] { (void)fixed_exp2(x); }), "dtype_mismatch: [fixed_exp2] takes i8|i16|i32|i64"));
}
TEST_CASE_METHOD(Fixture, "random_below_c2") {
  const Value u = b.input("u", u32, {N, 6}), v = b.input("v", u32, {5});
  CHECK(has(error_of([&] { (void)random_below(u, u, v); }), "shape_mismatch: [random_below]"));
}
