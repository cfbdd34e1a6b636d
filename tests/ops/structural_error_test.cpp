// SPDX-License-Identifier: Apache-2.0
// The checks [Cn] of what orders, places and rearranges elements, of convolutions, pooling, einsum and drawing.
#include "tests/ops/direct_run.h"
#include "tests/ops/error_of.h"

using namespace openinfer;
using openinfer::testing::error_of;
using openinfer::testing::run_error_of;

namespace {

struct StructuralFixture {
  GraphBuilder b;
  Dim N = b.dim("N", 1, 8);
  Value x = b.input("x", f32, {N, 6});
  Value i = b.input("i", i32, {N, 6});
  Value p = b.input("p", boolean, {N, 6});
  Value ids = b.input("ids", i32, {3});
  Value image = b.input("image", f32, {2, 4, 9, 7});
  Value signal = b.input("signal", f32, {2, 4, 9});
};

bool has(const std::string& error, std::string_view part) { return error.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_METHOD(StructuralFixture, "top_k_c1") {
  CHECK(error_of([&] { (void)top_k(x, 2, 2); }) ==
        "invalid_argument: [top_k] axis 2 is outside 'x' (N, 6), which has 2 dimensions");
}
TEST_CASE_METHOD(StructuralFixture, "top_k_c2") {
  CHECK(error_of([&] { (void)top_k(p, 2); }).starts_with("dtype_mismatch: [top_k] takes f16|bf16"));
}
TEST_CASE_METHOD(StructuralFixture, "top_k_c3") {
  CHECK(error_of([&] { (void)top_k(x, 7); }) ==
        "shape_mismatch: [top_k] the 7 largest of 6 elements, at least 6, of 'x' (N, 6)");
  CHECK(has(error_of([&] { (void)top_k(x, 2, 0); }), "the 2 largest of N elements, at least 1"));
  CHECK(has(error_of([&] { (void)top_k(x, 0); }), "the 0 largest of 6"));
  CHECK(std::get<1>(top_k(x, 1, 0)).type().to_string() == "i32[1, 6]");
}

TEST_CASE_METHOD(StructuralFixture, "sort_c1", "[cumsum_c1][flip_c1]") {
  CHECK(has(error_of([&] { (void)sort(x, {.axis = 2}); }), "invalid_argument: [sort] axis 2 is outside 'x'"));
  CHECK(has(error_of([&] { (void)argsort(x, {.axis = -3}); }), "[sort] axis -3 is outside 'x'"));
  CHECK(has(error_of([&] { (void)cumsum(x, 2); }), "invalid_argument: [cumsum] axis 2 is outside 'x'"));
  CHECK(has(error_of([&] { (void)(x | flip({2})); }), "invalid_argument: [flip] axis 2 is outside 'x'"));
  CHECK(error_of([&] { (void)flip(x, {1, -1}); }) == "invalid_argument: [flip] axis -1 of 'x' (N, 6) is named twice");
}
TEST_CASE_METHOD(StructuralFixture, "sort_c2", "[cumsum_c2]") {
  CHECK(has(error_of([&] { (void)sort(p); }), "dtype_mismatch: [sort] takes f16|bf16|f32|f64|i8"));
  CHECK(has(error_of([&] { (void)(p | cumsum()); }), "dtype_mismatch: [cumsum] takes f16|bf16|f32|f64|i8"));
}

TEST_CASE_METHOD(StructuralFixture, "scatter_c1", "[scatter_add_c1]") {
  CHECK(error_of([&] { (void)scatter(x, x, x); }) == "dtype_mismatch: [scatter] ids are i32 or i64, not 'x' f32[N, 6]");
  CHECK(has(error_of([&] { (void)scatter_add(x, x, x); }), "ids are i32 or i64"));
}
TEST_CASE_METHOD(StructuralFixture, "scatter_c2", "[scatter_add_c2]") {
  CHECK(has(error_of([&] { (void)scatter(x, ids, x, 2); }), "invalid_argument: [scatter] axis 2 is outside 'x'"));
  CHECK(has(error_of([&] { (void)scatter_add(x, ids, x, -3); }), "axis -3 is outside 'x'"));
}
TEST_CASE_METHOD(StructuralFixture, "scatter_c3", "[scatter_add_c3]") {
  CHECK(has(error_of([&] { (void)scatter(x, ids, i); }), "dtype_mismatch: [scatter] dtypes differ: 'x' f32[N, 6]"));
  CHECK(has(error_of([&] { (void)scatter_add(p, ids, p); }), "dtype_mismatch: [scatter] takes f16"));
}
TEST_CASE_METHOD(StructuralFixture, "scatter_c4", "[scatter_add_c4]") {
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

TEST_CASE_METHOD(StructuralFixture, "permute_c1", "[stack_c1][squeeze_c1][unsqueeze_c1][pad_c1]") {
  CHECK(error_of([&] {
          (void)permute(x, {0, 2});
        }) == "invalid_argument: [permute] axis 2 is outside 'x' (N, 6), with 2 dimensions");
  CHECK(has(error_of([&] { (void)permute(x, {}); }), "[permute] 0 dimensions are named, 'x' (N, 6) has 2"));
  CHECK(has(error_of([&] { (void)permute(x, {0, -2}); }), "[transpose] [0, 0] is no order"));
  CHECK(has(error_of([&] { (void)split(x, {N}, 2); }), "[split] axis 2 is outside"));
  CHECK(has(error_of([&] { (void)chunk(x, 2, -3); }), "[chunk] axis -3 is outside"));
  CHECK(has(error_of([&] { (void)stack({x, x}, 3); }), "[stack] axis 3 is outside"));
  CHECK(has(error_of([&] { (void)stack({}); }), "[stack] of no parts"));
  CHECK(has(error_of([&] { (void)squeeze(x, {2}); }), "[squeeze] axis 2 is outside"));
  CHECK(has(error_of([&] { (void)unsqueeze(x, {3}); }), "[unsqueeze] axis 3 is outside"));
  CHECK(has(error_of([&] { (void)unsqueeze(x, {0, -4}); }), "[unsqueeze] axis -4 of 'x' (N, 6) is named twice"));
  CHECK(has(error_of([&] { (void)pad(x, {{.axis = 2, .before = 1}}); }), "[pad] axis 2 is outside"));
}
TEST_CASE_METHOD(StructuralFixture, "squeeze_c2", "[split_c2][chunk_c2]") {
  CHECK(error_of([&] { (void)squeeze(x, {1}); }) ==
        "shape_mismatch: [squeeze] axis 1 of 'x' (N, 6) has 6 elements, not 1");
  CHECK(error_of([&] {
          (void)split(x, {2, 3}, 1);
        }) == "shape_mismatch: [split] (2, 3) make 5, not 6, the extent of 'x' (N, 6) along axis 1");
  CHECK(error_of([&] { (void)chunk(x, 4, 1); }) ==
        "shape_mismatch: [chunk] 6 elements of 'x' (N, 6) along axis 1 make no 4 equal parts");
  CHECK(has(error_of([&] { (void)chunk(x, 2, 0); }), "N elements of 'x' (N, 6) along axis 0 make no 2"));
  CHECK(has(error_of([&] { (void)chunk(x, 0, 1); }), "make no 0 equal parts"));
}
TEST_CASE_METHOD(StructuralFixture, "tile_c1") {
  CHECK(error_of([&] { (void)tile(x, {2}); }) ==
        "invalid_argument: [tile] 1 repeats for the 2 dimensions of 'x' (N, 6)");
  CHECK(has(error_of([&] { (void)tile(x, {1, -1}); }), "[tile] -1 repeats along axis 1"));
}
TEST_CASE_METHOD(StructuralFixture, "one_hot_c1") {
  CHECK(error_of([&] { (void)one_hot(x, 3); }) == "dtype_mismatch: [one_hot] ids are i32 or i64, not 'x' f32[N, 6]");
}

TEST_CASE_METHOD(StructuralFixture, "einsum_c1") {
  const auto error = [&](const char* formula) { return error_of([&] { (void)einsum(formula, {x, x}); }); };
  CHECK(error("ij->ij") == "invalid_argument: [einsum] \"ij->ij\": it has 1 operands, 2 are given");
  CHECK(has(error("ij,ij"), "it has no ->"));
  CHECK(has(error("i1,ij->i"), "'1' is no label"));
  CHECK(has(error("ii,ij->i"), "'i' stands twice in an operand"));
  CHECK(has(error("ij,ij->ii"), "'i' stands twice in the result"));
  CHECK(has(error("ij,ij->k"), "'k' of the result is in no operand"));
}
TEST_CASE_METHOD(StructuralFixture, "einsum_c2") {
  CHECK(error_of([&] {
          (void)einsum("ij,jk->ik", {x, x});
        }) == "shape_mismatch: [einsum] \"ij,jk->ik\": 'j' is 6 and, in 'x' (N, 6), N");
  CHECK(has(error_of([&] { (void)einsum("ijk->i", {x}); }), "'x' (N, 6) has 2 dimensions, not 3"));
}

TEST_CASE_METHOD(StructuralFixture, "conv1d_c1", "[conv2d_c1]") {
  const Value w = b.input("w", f16, {4, 4, 3}), w2 = b.input("w2", f16, {4, 4, 3, 3});
  CHECK(error_of([&] { (void)conv1d(signal, w); }) ==
        "dtype_mismatch: [conv1d] x and w are one float dtype, not 'signal' f32[2, 4, 9] and 'w' f16[4, 4, 3]");
  CHECK(has(error_of([&] { (void)conv2d(image, w2); }), "[conv2d] x and w are one float dtype"));
}
TEST_CASE_METHOD(StructuralFixture, "conv1d_c2", "[conv2d_c2]") {
  const Value w = b.input("w", f32, {4, 4, 3}), open = b.input("open", f32, {4, 4, N, 3});
  CHECK(has(error_of([&] { (void)conv1d(image, w); }), "[conv1d] x is (N, C, L), w (O, C/groups, K): x 'image'"));
  CHECK(has(error_of([&] { (void)conv2d(image, w); }), "[conv2d] x is (N, C, H, W)"));
  CHECK(has(error_of([&] { (void)conv2d(image, open); }), "a filter has known extents"));
}
TEST_CASE_METHOD(StructuralFixture, "conv1d_c3", "[conv2d_c3]") {
  const Value w = b.input("w", f32, {4, 3, 3}), w2 = b.input("w2", f32, {3, 2, 3, 3});
  CHECK(has(error_of([&] { (void)conv1d(signal, w); }), "the channels do not divide into the groups of the filters"));
  CHECK(has(error_of([&] { (void)conv2d(image, w2, {.groups = 2}); }), "w 'w2' (3, 2, 3, 3), groups 2"));
}
TEST_CASE_METHOD(StructuralFixture, "conv1d_c4", "[conv2d_c4]") {
  const Value w = b.input("w", f32, {4, 4, 3}), w2 = b.input("w2", f32, {4, 4, 3, 3});
  CHECK(has(error_of([&] { (void)conv1d(signal, w, {.padding = -1}); }), "[conv1d] a padding of -1"));
  CHECK(has(error_of([&] { (void)conv1d(signal, w, {.stride = 0}); }), "[conv1d] window 3, stride 0 and dilation 1"));
  CHECK(has(error_of([&] { (void)conv2d(image, w2, {.dilation = {1, 0}}); }), "window 3, stride 1 and dilation 0"));
}
TEST_CASE_METHOD(StructuralFixture, "conv1d_c5", "[conv2d_c5]") {
  const Value w = b.input("w", f32, {4, 4, 3}), w2 = b.input("w2", f32, {4, 4, 3, 3}), v = b.input("v", f32, {5});
  CHECK(has(error_of([&] { (void)conv1d(signal, w, {.bias = v}); }), "[conv1d] the bias 'v' (5) is not (4)"));
  CHECK(has(error_of([&] { (void)conv2d(image, w2, {.bias = v}); }), "[conv2d] the bias 'v' (5) is not (4)"));
  CHECK(has(error_of([&] { (void)conv1d(signal, w, {.dilation = 5}); }),
            "a window of 3 elements, 5 apart, does not fit"));
  const Value both = b.input("both", f32, {1, 4, N, N});
  CHECK(has(error_of([&] { (void)conv2d(both, w2, {.padding = {1, 1}}); }), "only one of the axes of 'both'"));
  const Value wide = b.input("wide", f32, {1, 4, N});
  CHECK(has(error_of([&] { (void)conv1d(wide, w, {.stride = 2, .padding = 1}); }), "have no affine number"));
}

TEST_CASE_METHOD(StructuralFixture, "pool_c1", "[max_pool1d_c1][max_pool2d_c1][avg_pool1d_c1][avg_pool2d_c1]") {
  const Value bits = b.input("bits", boolean, {2, 4, 9}), whole = b.input("whole", i8, {2, 4, 9});
  CHECK(has(error_of([&] { (void)max_pool1d(bits, {.size = 3}); }), "dtype_mismatch: [max_pool1d] takes f16"));
  CHECK(has(error_of([&] { (void)avg_pool1d(whole, {.size = 3}); }),
            "dtype_mismatch: [avg_pool1d] takes f16|bf16|f32|f64, not 'whole' i8[2, 4, 9]"));
  CHECK(has(error_of([&] { (void)avg_pool2d(whole, {.size = {3, 3}}); }), "[avg_pool2d] takes f16"));
  CHECK(has(error_of([&] { (void)max_pool2d(bits, {.size = {3, 3}}); }), "[max_pool2d] takes f16"));
}
TEST_CASE_METHOD(StructuralFixture, "pool_c2", "[max_pool1d_c2][max_pool2d_c2][avg_pool1d_c2][avg_pool2d_c2]") {
  CHECK(has(error_of([&] { (void)max_pool1d(image, {.size = 3}); }), "[max_pool1d] x is (N, C, L), not 'image'"));
  CHECK(has(error_of([&] { (void)avg_pool1d(image, {.size = 3}); }), "[avg_pool1d] x is (N, C, L), not 'image'"));
  CHECK(has(error_of([&] { (void)max_pool2d(signal, {.size = {3, 3}}); }), "[max_pool2d] x is (N, C, H, W)"));
  CHECK(has(error_of([&] { (void)avg_pool2d(image, {.size = {10, 1}}); }), "a window of 10 elements, 1 apart"));
}
TEST_CASE_METHOD(StructuralFixture, "pool_c3", "[max_pool1d_c3][max_pool2d_c3][avg_pool1d_c3][avg_pool2d_c3]") {
  CHECK(has(error_of([&] { (void)max_pool1d(signal, {.size = 3, .padding = 2}); }), "[max_pool1d] a padding of 2"));
  CHECK(has(error_of([&] { (void)avg_pool1d(signal, {.size = 3, .padding = -1}); }), "[avg_pool1d] a padding of -1"));
  CHECK(has(error_of([&] { (void)max_pool2d(image, {.size = {2, 2}, .stride = {1, -1}}); }), "stride -1"));
  CHECK(has(error_of([&] { (void)avg_pool2d(image, {.size = {2, 0}}); }), "window 0, stride 0"));
}

TEST_CASE_METHOD(StructuralFixture, "random_below_c1", "[fixed_exp2_c1]") {
  CHECK(has(error_of([&] { (void)random_below(i, i, i); }), "dtype_mismatch: [random_below] takes u8|u16|u32|u64"));
  CHECK(has(error_of([&] { (void)fixed_exp2(x); }), "dtype_mismatch: [fixed_exp2] takes i8|i16|i32|i64"));
}
TEST_CASE_METHOD(StructuralFixture, "random_below_c2") {
  const Value u = b.input("u", u32, {N, 6}), v = b.input("v", u32, {5});
  CHECK(has(error_of([&] { (void)random_below(u, u, v); }), "shape_mismatch: [random_below]"));
}
TEST_CASE_METHOD(StructuralFixture, "sample_c1") {
  CHECK(error_of([&] { (void)sample(i, 0, 0); }) ==
        "dtype_mismatch: [sample] takes f16|bf16|f32|f64, not 'i' i32[N, 6]");
}
TEST_CASE_METHOD(StructuralFixture, "sample_c2") {
  CHECK(has(error_of([&] { (void)sample(signal, 0, 0); }), "[sample] logits are (N, V) with a known V below 1048576"));
}
TEST_CASE_METHOD(StructuralFixture, "sample_c3") {
  for (const Sampling& bad :
       {Sampling{.temperature = -1}, Sampling{.top_k = -1}, Sampling{.top_p = 0}, Sampling{.top_p = 1.5}})
    CHECK(has(error_of([&] { (void)sample(x, 0, 0, bad); }), "invalid_argument: [sample] temperature"));
}
TEST_CASE_METHOD(StructuralFixture, "quantize_c1", "[dequantize_c1]") {
  CHECK(error_of([&] { (void)quantize(i); }) == "dtype_mismatch: [quantize] takes f16|bf16|f32|f64, not 'i' i32[N, 6]");
  CHECK(has(error_of([&] { (void)dequantize(x, x); }), "dtype_mismatch: [dequantize] takes i8 and a float dtype"));
}
TEST_CASE_METHOD(StructuralFixture, "quantize_c2", "[dequantize_c2]") {
  CHECK(error_of([&] { (void)quantize(x); }) ==
        "shape_mismatch: [quantize] rows of 'x' (N, 6) are no whole blocks of 32");
  const Value q = b.input("q", i8, {N, 64}), d = b.input("d", f16, {N, 3});
  CHECK(has(error_of([&] { (void)dequantize(q, d); }), "[dequantize] 'd' (N, 3) has no scale for each block of 'q'"));
}

TEST_CASE_METHOD(StructuralFixture, "leaves_are_described") {
  const Value w = b.constant("w", Tensor(f32, {4, 4}));
  CHECK(has(error_of([&] { (void)conv1d(signal, w); }), "w #w (4, 4), groups 1"));
  CHECK(has(error_of([&] { (void)max_pool1d(w, {.size = 2}); }), "[max_pool1d] x is (N, C, L), not #w (4, 4)"));
  CHECK(has(error_of([&] { (void)split(w, {1, 2}, 0); }), "the extent of #w (4, 4) along axis 0"));
  CHECK(has(error_of([&] { (void)einsum("ijk->i", {w}); }), "[einsum] \"ijk->i\": #w (4, 4) has 2 dimensions"));
  CHECK(has(error_of([&] { (void)squeeze(w, {7}); }), "outside #w (4, 4)"));
  CHECK(has(error_of([&] { (void)quantize(w); }), "rows of #w (4, 4) are no whole blocks"));
}

TEST_CASE_METHOD(StructuralFixture, "slice_of_one_element_takes_any_step") {
  constexpr std::int64_t kMost = std::int64_t{1} << 61;
  const Value whole = b.constant(Tensor(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}));
  CHECK(eval(slice(whole, {.axis = 0, .begin = 1, .end = 3, .step = kMost})) ==
        Tensor(std::vector<float>{3, 4}, {1, 2}));
}
