// SPDX-License-Identifier: Apache-2.0
// The checks [Cn] of making, moving, reduction and normalisation operators, by message and the user's own line.
#include <cmath>

#include "tests/ops/direct_run.h"
#include "tests/ops/error_of.h"

using namespace openinfer;
using openinfer::testing::error_of;
using openinfer::testing::run_error_of;

namespace {

struct ShapeFixture {
  GraphBuilder b;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {N, 6});
  Value i = b.input("i", i32, {N, 6});
  Value p = b.input("p", boolean, {N, 6});
  Value s = b.input("s", f32, {});
  Value w = b.input("w", f32, {6});
};

}  // namespace

TEST_CASE_METHOD(ShapeFixture, "fill_c1") {
  CHECK(error_of([&] { (void)fill(b, {2}, 300, u8); }) == "invalid_argument: [fill] 300 does not fit u8");
  for (const auto& [value, dtype] : std::vector<std::pair<double, DType>>{{-1, u8},
                                                                          {0.5, i32},
                                                                          {128, i8},
                                                                          {-129, i8},
                                                                          {2, boolean},
                                                                          {1e6, f16},
                                                                          {0x1p63, i64},
                                                                          {0x1p64, u64},
                                                                          {1e300, f32}})
    CHECK(error_of([&, v = value, d = dtype] { (void)fill(b, {2}, v, d); }).find("does not fit") != std::string::npos);
  for (const auto& [value, dtype] : std::vector<std::pair<double, DType>>{
           {-128, i8}, {255, u8}, {-0x1p63, i64}, {65504, f16}, {1, boolean}, {INFINITY, f16}, {NAN, bf16}})
    CHECK_NOTHROW((void)fill(b, {2}, value, dtype));
  CHECK(error_of([&] { (void)fill(b, {2}, 1, DType::q4_0); }).starts_with("dtype_mismatch: [fill] makes f16|bf16"));
}

TEST_CASE_METHOD(ShapeFixture, "fill_c2") {
  CHECK(error_of([&] {
          (void)fill(b, {2, N - 3}, 1);
        }) == "invalid_argument: [fill] the extent N - 3 of the shape (2, N - 3) may be -2");
}

TEST_CASE_METHOD(ShapeFixture, "iota_c1") {
  CHECK(error_of([&] {
          (void)iota(b, {2}, 0, boolean);
        }).starts_with("dtype_mismatch: [iota] makes f16|bf16|f32|f64|i8"));
}

TEST_CASE_METHOD(ShapeFixture, "iota_c2") {
  CHECK(error_of([&] { (void)iota(b, {2, N}, 2); }) == "invalid_argument: [iota] axis 2 is outside the shape (2, N)");
  CHECK(error_of([&] { (void)iota(b, {}, 0); }).find("axis 0 is outside the shape ()") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "iota_c3") {
  CHECK(error_of([&] { (void)iota(b, {-1}, 0); }).find("the extent -1 of the shape (-1) may be -1") !=
        std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "reshape_c1") {
  CHECK(error_of([&] {
          (void)reshape(x, {N, 5});
        }) == "shape_mismatch: [reshape] 'x' (N, 6) cannot be shown to have the size of (N, 5)");
  for (const Shape& shape : {Shape{-1, -1}, Shape{N, 4, -1}, Shape{N + 1, -1}, Shape{6}, Shape{0, -1}, Shape{}})
    CHECK(error_of([&] { (void)(x | reshape(shape)); }).starts_with("shape_mismatch: [reshape] 'x' (N, 6) cannot"));
  CHECK(error_of([&] { (void)reshape(x, {-2, N, -3}); }).find("may be -2") != std::string::npos);
  CHECK(reshape(x, {-1, 3}).type().to_string() == "f32[2*N, 3]");
  CHECK(reshape(x, {6, -1}).type().to_string() == "f32[6, N]");
}

TEST_CASE_METHOD(ShapeFixture, "transpose_c1") {
  CHECK(error_of([&] {
          (void)transpose(x, {0, 0});
        }) == "shape_mismatch: [transpose] [0, 0] is no order of the 2 dimensions of 'x' (N, 6)");
  CHECK(error_of([&] { (void)transpose(x, {1, 2}); }).find("[1, 2] is no order") != std::string::npos);
  CHECK(error_of([&] { (void)transpose(x, {0}); }).find("[0] is no order") != std::string::npos);
  CHECK(error_of([&] { (void)(w | transpose()); }).find("[] is no order of the 1 dimensions of 'w'") !=
        std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "slice_c1") {
  CHECK(error_of([&] { (void)slice(x, {.axis = 2, .begin = 0, .end = 1}); }) ==
        "invalid_argument: [slice] axis 2 is outside 'x' (N, 6), which has 2 dimensions");
}

TEST_CASE_METHOD(ShapeFixture, "slice_c2") {
  CHECK(error_of([&] { (void)slice(x, {.axis = 1, .begin = 2, .end = 7}); }) ==
        "shape_mismatch: [slice] 2..7 is not within 0..6 of 'x' (N, 6) for every value of the symbols");
  CHECK(error_of([&] { (void)slice(x, {.axis = 0, .begin = 0, .end = 2}); }).find("0..2 is not within 0..N") !=
        std::string::npos);
  CHECK(error_of([&] { (void)slice(x, {.axis = 0, .begin = N - 2, .end = N}); }).find("N - 2..N") != std::string::npos);
  CHECK(error_of([&] { (void)slice(x, {.axis = 1, .begin = 3, .end = 2}); }).find("3..2") != std::string::npos);
  CHECK(error_of([&] { (void)slice(x, {.axis = 1, .begin = 0, .end = 2, .step = 0}); }).find("the step 0") !=
        std::string::npos);
  CHECK(error_of([&] {
          (void)slice(x, {.axis = 0, .begin = 0, .end = N, .step = 2});
        }).find("N elements in steps of 2 have no affine size") != std::string::npos);
  CHECK(slice(x, {.axis = 0, .begin = N - 1, .end = N}).type().to_string() == "f32[1, 6]");
}

TEST_CASE_METHOD(ShapeFixture, "concat_c1") {
  CHECK(error_of([&] { (void)concat({x, x}, -3); }).find("axis -3 is outside 'x' (N, 6)") != std::string::npos);
  CHECK(error_of([&] { (void)concat({s, s}, 0); }).find("axis 0 is outside 's' ()") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "concat_c2") {
  CHECK(error_of([&] {
          (void)concat({x, reshape(x, {6, N})}, 0);
        }) == "shape_mismatch: [concat] 'x' (N, 6) and 'reshape' (6, N) differ outside axis 0");
  CHECK(error_of([&] { (void)concat({x, w}, 0); }).find("'w' (6) differ outside axis 0") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "concat_c3") {
  CHECK(error_of([&] {
          (void)concat({x, i}, 1);
        }).starts_with("dtype_mismatch: [concat] dtypes differ: 'x' f32[N, 6]"));
  CHECK(concat({x, x, x}, 1).type().to_string() == "f32[N, 18]");
}

TEST_CASE_METHOD(ShapeFixture, "broadcast_c1") {
  CHECK(error_of([&] {
          (void)broadcast(x, {N, 7});
        }) == "shape_mismatch: [broadcast] 'x' (N, 6) does not broadcast to (N, 7)");
  CHECK(error_of([&] { (void)broadcast(x, {6}); }).find("does not broadcast to (6)") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "broadcast_c2") {
  CHECK(error_of([&] { (void)broadcast(s, {N - 2}); }).find("the extent N - 2 of the shape (N - 2) may be -1") !=
        std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "reduction_c1", "[sum_c1][mean_c1][reduce_max_c1][argmax_c1]") {
  CHECK(error_of([&] { (void)sum(x, {.axes = {2}}); }) ==
        "invalid_argument: [sum] axis 2 is outside 'x' (N, 6), which has 2 dimensions");
  CHECK(error_of([&] {
          (void)mean(x, {.axes = {1, -1}});
        }) == "invalid_argument: [mean] axis -1 of 'x' (N, 6) is named twice");
  CHECK(error_of([&] { (void)max(x, {.axes = {0, 0}}); }).starts_with("invalid_argument: [reduce_max] axis 0 of 'x'"));
  CHECK(error_of([&] { (void)argmax(x, 2); }).starts_with("invalid_argument: [argmax] axis 2 is outside"));
}

TEST_CASE_METHOD(ShapeFixture, "more_reduction_c1",
                 "[reduce_min_c1][argmin_c1][prod_c1][any_c1][all_c1][logsumexp_c1]") {
  CHECK(error_of([&] { (void)prod(x, {.axes = {2}}); }) ==
        "invalid_argument: [prod] axis 2 is outside 'x' (N, 6), which has 2 dimensions");
  CHECK(error_of([&] { (void)min(x, {.axes = {0, 0}}); }).starts_with("invalid_argument: [reduce_min] axis 0 of 'x'"));
  CHECK(error_of([&] { (void)argmin(x, 2); }).starts_with("invalid_argument: [argmin] axis 2 is outside"));
  CHECK(error_of([&] { (void)any(p, {.axes = {2}}); }).starts_with("invalid_argument: [any] axis 2 is outside"));
  CHECK(error_of([&] { (void)all(p, {.axes = {1, 1}}); }).starts_with("invalid_argument: [all] axis 1 of 'p'"));
  CHECK(error_of([&] { (void)logsumexp(x, {.axes = {2}}); }).starts_with("invalid_argument: [logsumexp] axis 2 is"));
}

TEST_CASE_METHOD(ShapeFixture, "more_reduction_c2",
                 "[reduce_min_c2][argmin_c2][prod_c2][any_c2][all_c2][logsumexp_c2]") {
  CHECK(error_of([&] { (void)prod(p); }).starts_with("dtype_mismatch: [prod] takes f16|bf16|f32|f64|i8"));
  CHECK(error_of([&] { (void)min(p, {.axes = {1}}); }).starts_with("dtype_mismatch: [reduce_min] takes"));
  CHECK(error_of([&] { (void)argmin(p); }).starts_with("dtype_mismatch: [argmin] takes"));
  CHECK(error_of([&] { (void)any(x); }) == "dtype_mismatch: [any] takes bool, not 'x' f32[N, 6]");
  CHECK(error_of([&] { (void)all(i); }) == "dtype_mismatch: [all] takes bool, not 'i' i32[N, 6]");
  CHECK(error_of([&] { (void)logsumexp(i); }).starts_with("dtype_mismatch: [logsumexp] takes f16|bf16|f32|f64, not"));
}

TEST_CASE_METHOD(ShapeFixture, "reduction_c2", "[sum_c2][mean_c2][reduce_max_c2][argmax_c2]") {
  CHECK(error_of([&] { (void)mean(i); }) == "dtype_mismatch: [mean] takes f16|bf16|f32|f64, not 'i' i32[N, 6]");
  CHECK(error_of([&] { (void)sum(p); }).starts_with("dtype_mismatch: [sum] takes f16|bf16|f32|f64|i8"));
  CHECK(error_of([&] { (void)max(p, {.axes = {1}}); }).starts_with("dtype_mismatch: [reduce_max] takes"));
  CHECK(error_of([&] { (void)argmax(p); }).starts_with("dtype_mismatch: [argmax] takes"));
}

TEST_CASE("reduction_c3", "[reduce_max_c3][argmax_c3]") {
  for (const bool keepdims : {false, true}) {
    Graph g = graph([&](GraphBuilder& b) {
      b.output("y", max(b.input("x", f32, {3, 0}), {.axes = {1}, .keepdims = keepdims}));
    });
    CHECK(run_error_of([&] {
            openinfer::testing::run_directly(g, {{"x", Tensor(f32, {3, 0})}});
          }).starts_with("invalid_argument: [reduce_max] no elements to take the largest of: x is (3, 0)"));
  }
  Graph g = graph([](GraphBuilder& b) { b.output("y", argmax(b.input("x", f32, {3, 0}))); });
  CHECK(run_error_of([&] {
          openinfer::testing::run_directly(g, {{"x", Tensor(f32, {3, 0})}});
        }).starts_with("invalid_argument: [argmax] no elements to take the largest of along axis -1: x is (3, 0)"));
}

TEST_CASE("more_reduction_c3", "[reduce_min_c3][argmin_c3]") {
  Graph g = graph([](GraphBuilder& b) { b.output("y", min(b.input("x", f32, {3, 0}), {.axes = {1}})); });
  CHECK(run_error_of([&] {
          openinfer::testing::run_directly(g, {{"x", Tensor(f32, {3, 0})}});
        }).starts_with("invalid_argument: [reduce_min] no elements to take the smallest of: x is (3, 0)"));
  Graph place = graph([](GraphBuilder& b) { b.output("y", argmin(b.input("x", f32, {3, 0}))); });
  CHECK(run_error_of([&] {
          openinfer::testing::run_directly(place, {{"x", Tensor(f32, {3, 0})}});
        }).starts_with("invalid_argument: [argmin] no elements to take the smallest of along axis -1: x is (3, 0)"));
}

TEST_CASE_METHOD(ShapeFixture, "log_softmax_c1", "[l2_norm_c1]") {
  CHECK(error_of([&] { (void)(x | log_softmax(2)); }).starts_with("invalid_argument: [log_softmax] axis 2 is outside"));
  CHECK(error_of([&] { (void)l2_norm(s); }).find("axis -1 is outside 's' ()") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "log_softmax_c2", "[l2_norm_c2]") {
  CHECK(
      error_of([&] { (void)log_softmax(i); }).starts_with("dtype_mismatch: [log_softmax] takes f16|bf16|f32|f64, not"));
  CHECK(error_of([&] { (void)l2_norm(p); }).starts_with("dtype_mismatch: [l2_norm] takes f16|bf16|f32|f64, not"));
}

TEST_CASE_METHOD(ShapeFixture, "group_norm_c1") {
  CHECK(error_of([&] { (void)group_norm(x, 4, w, w); }) ==
        "shape_mismatch: [group_norm] 'x' (N, 6) is not (N, C, …) with C a multiple of 4 groups");
  CHECK(error_of([&] { (void)group_norm(w, 2, w, w); }).find("'w' (6) is not (N, C, …)") != std::string::npos);
  CHECK(error_of([&] { (void)group_norm(transpose(x), 1, w, w); }).find("(6, N) is not (N, C, …)") !=
        std::string::npos);
  CHECK(error_of([&] { (void)(x | group_norm(0, w, w)); }).find("a multiple of 0 groups") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "group_norm_c2") {
  CHECK(error_of([&] { (void)group_norm(x, 3, w, s); }) ==
        "shape_mismatch: [group_norm] 's' () is not (6), the channels of 'x' (N, 6)");
}

TEST_CASE_METHOD(ShapeFixture, "group_norm_c3") {
  CHECK(error_of([&] { (void)group_norm(i, 3, w, w); }).starts_with("dtype_mismatch: [group_norm] takes"));
  CHECK(error_of([&] { (void)group_norm(x, 3, w, b.input("v", i8, {6})); }).find("not 'v' i8[6]") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "softmax_c1") {
  CHECK(error_of([&] { (void)(x | softmax(2)); }).starts_with("invalid_argument: [softmax] axis 2 is outside 'x'"));
  CHECK(error_of([&] { (void)softmax(s); }).find("axis -1 is outside 's' ()") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "softmax_c2") {
  CHECK(error_of([&] { (void)softmax(i); }) == "dtype_mismatch: [softmax] takes f16|bf16|f32|f64, not 'i' i32[N, 6]");
}

TEST_CASE_METHOD(ShapeFixture, "rms_norm_c1") {
  CHECK(error_of([&] { (void)rms_norm(x, b.input("v", f32, {5})); }) ==
        "shape_mismatch: [rms_norm] 'v' (5) is not (6), the last dimension of 'x' (N, 6)");
  CHECK(error_of([&] { (void)(x | rms_norm(x)); }).find("'x' (N, 6) is not (6)") != std::string::npos);
  CHECK(error_of([&] { (void)rms_norm(s, w); }).find("'s' is a scalar") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "rms_norm_c2") {
  CHECK(error_of([&] { (void)rms_norm(i, w); }) ==
        "dtype_mismatch: [rms_norm] takes f16|bf16|f32|f64, not 'i' i32[N, 6]");
  CHECK(error_of([&] { (void)rms_norm(x, b.input("v", i8, {6})); }).find("not 'v' i8[6]") != std::string::npos);
}

TEST_CASE_METHOD(ShapeFixture, "layer_norm_c1") {
  CHECK(error_of([&] { (void)layer_norm(x, w, s); }) ==
        "shape_mismatch: [layer_norm] 's' () is not (6), the last dimension of 'x' (N, 6)");
}

TEST_CASE_METHOD(ShapeFixture, "layer_norm_c2") {
  CHECK(error_of([&] {
          (void)layer_norm(x, w, b.input("v", boolean, {6}));
        }).starts_with("dtype_mismatch: [layer_norm]"));
}
