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
             Catch::Contains("the target has no fragments of f16 with sums in f32"));
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
