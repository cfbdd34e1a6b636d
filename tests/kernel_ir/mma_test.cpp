// SPDX-License-Identifier: Apache-2.0
// Fragments of matrices: what they compute, as text, and what the verifier and the interpreter refuse.
#include <catch2/catch.hpp>

#include "codegen/kernel_ir/build.h"
#include "codegen/kernel_ir/interpret.h"
#include "codegen/kernel_ir/print.h"
#include "openinfer/half.h"
#include "run.h"

using namespace openinfer;
using namespace openinfer::kir;

namespace {

constexpr int kM = 16, kN = 8, kK = 16;

Target target(int subgroups = 1) {
  return {.lanes = 32, .subgroups = subgroups, .mma = MmaShape{.m = kM, .n = kN, .k = kK}};
}

/// y (16, 8) = a (16, 16) · b + c, b stored by columns; each subgroup on matrices of its own.
Kernel product(int subgroups, int stride = 16) {
  Build k("product", target(subgroups));
  const Mem a = k.in("a", Kind::f16), b = k.in("b", Kind::f16), c = k.in("c", Kind::f32), y = k.out("y", Kind::f32);
  const Tile sum = k.tile("sum", 2, Kind::mma_c, Rate::subgroup);
  const Val at = k.let("at", k.subgroup() * 256);
  const Val left = k.let("left", k.mma_load(Kind::mma_a, a, at, stride));
  const Val right = k.let("right", k.mma_load(Kind::mma_b, b, at, 16));
  sum[0] = k.mma(left, right, k.let("start", k.mma_load(Kind::mma_c, c, k.subgroup() * 128, 8)));
  k.mma_store(y, k.subgroup() * 128, 8, sum[0]);
  return k.done();
}

}  // namespace

TEST_CASE("fragments multiply, each subgroup its own") {
  for (const int subgroups : {1, 4}) {
    std::vector<std::uint16_t> a, b;
    std::vector<float> c, y(static_cast<std::size_t>(128 * subgroups));
    for (int i = 0; i < 256 * subgroups; ++i) {
      a.push_back(float_to_half(static_cast<float>(i % 13 - 6)));
      b.push_back(float_to_half(static_cast<float>(i % 7 - 3)));
    }
    for (int i = 0; i < 128 * subgroups; ++i) c.push_back(static_cast<float>(i));
    interpret(product(subgroups), {bytes(a), bytes(b), bytes(c), bytes(y)}, {}, 1);
    for (int s = 0; s < subgroups; ++s)
      for (int m = 0; m < kM; ++m)
        for (int n = 0; n < kN; ++n) {
          int sum = s * 128 + m * 8 + n;
          for (int k = 0; k < kK; ++k) sum += ((s * 256 + m * 16 + k) % 13 - 6) * ((s * 256 + n * 16 + k) % 7 - 3);
          CHECK(y[static_cast<std::size_t>(s * 128 + m * 8 + n)] == static_cast<float>(sum));
        }
  }
}

TEST_CASE("fragments as text") {
  const std::string text = to_text(product(4));
  CHECK_THAT(text, Catch::StartsWith("kernel product lanes 32 subgroups 4 dot4 none mma 16x8x16\n"));
  CHECK_THAT(text, Catch::Contains("var $0 sum mma_c subgroup [2]\n"));
  CHECK_THAT(text, Catch::Contains(" left = mma_load a %") && Catch::Contains(" : mma_a subgroup\n"));
  CHECK_THAT(text, Catch::Contains(" = mma %") && Catch::Contains("mma_store y %"));
}

TEST_CASE("fragments that cannot be") {
  const auto built = [](const std::function<void(Build&, Mem, Mem)>& body, Target t = target()) {
    return message_of([&] {
      Build k("f", t);
      const Mem a = k.in("a", Kind::f16), y = k.inout("y", Kind::f32);
      body(k, a, y);
      k.done();
    });
  };
  const auto store = [](Build& k, const Mem& y, const Val& at) {
    const Tile sum = k.tile("sum", 1, Kind::mma_c, Rate::subgroup);
    k.mma_store(y, at, 8, sum[0]);
  };
  CHECK(built([&](Build& k, Mem, Mem y) { store(k, y, k.constant(0)); }).empty());
  CHECK_THAT(built([&](Build& k, Mem, Mem y) { store(k, y, k.constant(0)); }, {.lanes = 32}),
             Catch::Contains("the target has no fragments of f16 or bf16 with sums in f32"));
  CHECK_THAT(built([&](Build& k, Mem, Mem y) { store(k, y, k.lane() * 8); }),
             Catch::Contains("an index that differs between lanes"));
  CHECK_THAT(built([&](Build& k, Mem, Mem y) { k.for_lanes("i", 0, 4, [&](Val) { store(k, y, k.constant(0)); }); }),
             Catch::Contains("where some lanes may not be"));
  CHECK_THAT(built([&](Build& k, Mem a, Mem y) {
               y[0] = k.mma(k.mma_load(Kind::mma_a, a, 0, 16), k.mma_load(Kind::mma_b, a, 0, 16),
                            k.mma_load(Kind::mma_c, y, 0, 8));
             }),
             Catch::Contains("a fragment is stored as a whole: mma_store"));
  CHECK_THAT(built([&](Build& k, Mem a, Mem y) {
               const Val left = k.mma_load(Kind::mma_a, a, 0, 16);
               k.mma_store(y, 0, 8, k.mma(left, left, k.mma_load(Kind::mma_c, y, 0, 8)));
             }),
             Catch::Contains("takes a, b and c"));
  CHECK_THAT(built([&](Build& k, Mem a, Mem y) { k.mma_store(y, 0, 8, k.mma_load(Kind::mma_c, a, 0, 8)); }),
             Catch::Contains("the buffer's elements are not the fragment's"));
  CHECK_THAT(built([&](Build& k, Mem, Mem y) {
               const Val c = k.mma_load(Kind::mma_c, y, 0, 8);
               k.mma_store(y, 0, 8, c + c);
             }),
             Catch::Contains("fragments are loaded, multiplied and stored, nothing else"));
}

TEST_CASE("the interpreter refuses fragments outside of memory, off their places, and races") {
  const auto run = [](int stride, std::size_t count) {
    std::vector<std::uint16_t> a(count), b(256);
    std::vector<float> c(128), y(128);
    return message_of([&] { interpret(product(1, stride), {bytes(a), bytes(b), bytes(c), bytes(y)}, {}, 1); });
  };
  CHECK(run(16, 256).empty());
  CHECK_THAT(run(16, 255), Catch::Contains("a[255] is outside of its 255 elements"));
  CHECK_THAT(run(17, 999), Catch::Contains("a fragment at 0 with stride 17, no multiples of 8"));
  Build k("race", target(2));
  const Mem y = k.inout("y", Kind::f32);
  const Tile sum = k.tile("sum", 1, Kind::mma_c, Rate::subgroup);
  sum[0] = k.let("c", k.mma_load(Kind::mma_c, y, k.subgroup() * 8, 8));
  k.mma_store(y, 0, 8, sum[0]);
  const Kernel kernel = k.done();
  std::vector<float> memory(200, 1);
  CHECK_THAT(message_of([&] { interpret(kernel, {bytes(memory)}, {}, 1); }), Catch::Contains("no barrier between"));
}

TEST_CASE("fragments of bf16: b in pairs of neighbouring k, which bf16_pair makes") {
  const Target tiles = {.lanes = 16,
                        .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}};
  Build k("tiles", tiles);
  const Mem a = k.in("a", Kind::bf16), b = k.in("b", Kind::f32), y = k.out("y", Kind::f32);
  const Mem pairs = k.shared("pairs", Kind::u32, 16 * 32);
  k.for_lanes("i", 0, 16 * 32, [&](Val i) {
    const Val at = k.let("at", i / 32 * 64 + i % 32);
    pairs[i] = bf16_pair(b[at], b[at + 32]);
  });
  k.barrier();
  const Tile sum = k.tile("sum", 1, Kind::mma_c, Rate::subgroup);
  const Val left = k.let("left", k.mma_load(Kind::mma_a, a, 8, 40));
  sum[0] = k.mma(left, k.let("right", k.mma_load(Kind::mma_b, pairs, 0, 32)), sum[0]);
  k.mma_store(y, 0, 32, sum[0]);
  const Kernel kernel = k.done();
  CHECK_THAT(to_text(kernel), Catch::Contains("mma 32x32x32") && Catch::Contains(" = bf16_pair %"));
  std::vector<std::uint16_t> left_bits(8 + 32 * 40, 0x7fc0);  // NaN where no row is
  std::vector<float> right(32 * 32), result(32 * 32);
  for (int m = 0; m < 32; ++m)
    for (int i = 0; i < 32; ++i)
      left_bits[static_cast<std::size_t>(8 + m * 40 + i)] = float_to_bfloat(static_cast<float>((m * 7 + i) % 13 - 6));
  for (int i = 0; i < 32 * 32; ++i) right[static_cast<std::size_t>(i)] = static_cast<float>(i % 11 - 5) * 1.001f;
  interpret(kernel, {bytes(left_bits), bytes(right), bytes(result)}, {}, 1);
  for (int m = 0; m < 32; ++m)
    for (int n = 0; n < 32; ++n) {
      float exact = 0;  // each product is a multiple of 2^-8 below 2^6
      for (int i = 0; i < 32; ++i) {
        const float w = bfloat_to_float(float_to_bfloat(right[static_cast<std::size_t>(i * 32 + n)]));
        exact += static_cast<float>((m * 7 + i) % 13 - 6) * w;
      }
      CHECK(result[static_cast<std::size_t>(m * 32 + n)] == exact);
    }
}

TEST_CASE("fragments of bf16 are in rows of bf16 and pairs in u32") {
  const auto built = [](Kind fragment, Kind memory) {
    return message_of([&] {
      Build k("f",
              {.lanes = 16, .mma = MmaShape{.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32}});
      const Mem x = k.in("x", memory), y = k.out("y", Kind::f32), one = k.in("one", Kind::bf16),
                pair = k.in("pair", Kind::u32);
      const Tile sum = k.tile("sum", 1, Kind::mma_c, Rate::subgroup);
      const bool a = fragment == Kind::mma_a;
      sum[0] = k.mma(k.mma_load(Kind::mma_a, a ? x : one, 0, 32), k.mma_load(Kind::mma_b, a ? pair : x, 0, 32), sum[0]);
      k.mma_store(y, 0, 32, sum[0]);
      k.done();
    });
  };
  CHECK(built(Kind::mma_a, Kind::bf16).empty());
  CHECK(built(Kind::mma_b, Kind::u32).empty());
  CHECK(built(Kind::mma_a, Kind::u32).empty());
  for (const Kind wrong : {Kind::f16, Kind::f32, Kind::i32})
    CHECK_THAT(built(Kind::mma_a, wrong), Catch::Contains("the buffer's elements are not the fragment's"));
  for (const Kind wrong : {Kind::f16, Kind::bf16, Kind::i32})
    CHECK_THAT(built(Kind::mma_b, wrong), Catch::Contains("the buffer's elements are not the fragment's"));
  CHECK_THAT(message_of([] {
               Build k("f", {.lanes = 16});
               const Mem x = k.in("x", Kind::i32), y = k.out("y", Kind::u32);
               y[0] = bf16_pair(x[0], x[1]);
               k.done();
             }),
             Catch::Contains("makes a u32 of two f32"));
}
