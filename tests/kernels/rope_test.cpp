// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/rope.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "template_run.h"

using namespace openinfer;
using namespace openinfer::kernels;

namespace {

constexpr int kHeads = 3, kHeadDim = 10;

/// Rotates rows of heads; the angle is the f32 product that rope is defined with.
std::vector<double> rotated(const Data& x, const Data& pos, const Data& f, int rotary) {
  std::vector<double> y = x.values();
  for (std::int64_t row = 0; row < pos.count(); ++row)
    for (int h = 0; h < kHeads; ++h)
      for (int i = 0; i < rotary / 2; ++i) {
        const float angle = static_cast<float>(pos[row]) * static_cast<float>(f[i]);
        const double c = std::cos(static_cast<double>(angle)), s = std::sin(static_cast<double>(angle));
        const auto a = static_cast<std::size_t>((row * kHeads + h) * kHeadDim + i);
        const std::size_t b = a + static_cast<std::size_t>(rotary / 2);
        const double u = y[a], v = y[b];
        y[a] = u * c - v * s;
        y[b] = v * c + u * s;
      }
  return y;
}

Data frequencies(int rotary) {
  std::vector<double> f;
  for (int i = 0; i < rotary / 2; ++i) f.push_back(std::pow(10000.0, -2.0 * i / rotary));
  return Data(DType::f32, f);
}

}  // namespace

TEST_CASE("rope turns pairs of each head") {
  for (const kir::Target& target : targets())
    for (const int rotary : {kHeadDim, 4, 0})
      for (const DType dtype : {DType::f16, DType::bf16, DType::f32})
        for (const std::int64_t rows : {0, 1, 4}) {
          std::vector<double> positions = {0, 1, 511, 8191};
          positions.resize(static_cast<std::size_t>(rows));
          Buffers b = {{"x", Data(dtype, noise(rows * kHeads * kHeadDim))},
                       {"pos", Data(DType::i32, positions)},
                       {"frequencies", frequencies(rotary)},
                       {"y", Data(dtype, rows * kHeads * kHeadDim)}};
          run(rope(target, "rope", {{512, "N"}, {kHeads, kHeadDim, rotary}, dtype}), b, {{"N", rows}});
          // Two products, their sum, a sine and a cosine within 1 ULP; then the store. |y| < 2.
          const double bound = 6 * 2 * rounding(DType::f32) + 2 * rounding(dtype);
          CHECK(distance(b["y"].values(), rotated(b["x"], b["pos"], b["frequencies"], rotary)) <= bound);
        }
}

TEST_CASE("rope takes its second row of frequencies where the context is longer, and scales what it turns") {
  const auto half = [](const Data& both, std::int64_t row) {
    return Data(DType::f32, std::vector<double>{both[2 * row], both[2 * row + 1]});
  };
  for (const kir::Target& target : targets())
    for (const std::int64_t context : {16, 17}) {
      Buffers b = {{"x", Data(DType::f32, noise(2 * kHeads * kHeadDim))},
                   {"pos", Data(DType::i32, std::vector<double>{3, 900})},
                   {"frequencies", Data(DType::f32, std::vector<double>{1, 0.25, 0.5, 0.125})},
                   {"y", Data(DType::f32, 2 * kHeads * kHeadDim)}};
      const Rotation r = {kHeads, kHeadDim, 4, 1.5, 16, {64, "C"}};
      run(rope(target, "rope", {{2}, r}), b, {{"C", context}});
      const auto turned = rotated(b["x"], b["pos"], half(b["frequencies"], context > 16 ? 1 : 0), 4);
      std::vector<double> wanted = b["x"].values();
      for (std::size_t i = 0; i < wanted.size(); ++i)
        wanted[i] = i % kHeadDim < 4 ? turned[i] * 1.5 : wanted[i];  // what is not turned is not scaled
      // As above, one rounding more for the factor.
      CHECK(distance(b["y"].values(), wanted) <= 8 * 2 * 1.5 * rounding(DType::f32));
    }
}

TEST_CASE("kv_write puts rows where they belong, k rotated on the way if asked") {
  constexpr int kCapacity = 7, kSlots = 2, kRow = kHeads * kHeadDim;
  using Places = KvWrite::Places;
  for (const kir::Target& target : targets())
    for (const DType cache : {DType::f32, DType::f16})
      for (const bool rotate : {false, true})
        for (const Places places : {Places::pos, Places::pos_slot, Places::step}) {
          KvWrite what = {.rows = {8, "N"},
                          .slots = {kSlots},
                          .capacity = {8, "C"},
                          .places = places,
                          .heads = kHeads,
                          .head_dim = kHeadDim,
                          .cache = cache};
          if (rotate) what.rope = Rotation{kHeads, kHeadDim, 4};
          const std::int64_t N = 2, size = kSlots * kRow * kCapacity;
          Buffers b = {{"k", Data(DType::f32, noise(N * kRow))},
                       {"v", Data(DType::f32, noise(N * kRow, 2))},
                       {"pos", Data(DType::i32, std::vector<double>{5, 2})},
                       {"slot", Data(DType::i32, std::vector<double>{1, 0})},
                       {"rope_pos", Data(DType::i32, std::vector<double>{5, 2})},
                       {"frequencies", frequencies(4)},
                       {"k_cache", Data(cache, size)},
                       {"v_cache", Data(cache, size)}};
          run(kv_write(target, "kv_write", what), b, {{"N", N}, {"C", kCapacity}});
          std::vector<double> k(static_cast<std::size_t>(size)), v = k;
          const auto turned = rotate ? rotated(b["k"], b["rope_pos"], b["frequencies"], 4) : b["k"].values();
          for (std::int64_t n = 0; n < N; ++n)
            for (std::int64_t e = 0; e < kRow; ++e) {
              const std::int64_t slot = places == Places::pos ? 0 : places == Places::step ? n : 1 - n;
              const std::int64_t pos = places == Places::step || n == 0 ? 5 : 2;
              const std::int64_t at = ((slot * kHeads + e / kHeadDim) * kCapacity + pos) * kHeadDim + e % kHeadDim;
              k[static_cast<std::size_t>(at)] = turned[static_cast<std::size_t>(n * kRow + e)];
              v[static_cast<std::size_t>(at)] = b["v"][n * kRow + e];
            }
          const double bound = 12 * rounding(DType::f32) + 2 * rounding(cache);
          CHECK(distance(b["k_cache"].values(), k) <= bound);
          CHECK(distance(b["v_cache"].values(), v) <= (cache == DType::f16 ? rounding(cache) : 0));
        }
}

TEST_CASE("rows beyond the cache are not written") {
  for (const kir::Target& target : targets()) {
    Buffers b = {{"k", Data(DType::f32, noise(3 * 4))},
                 {"v", Data(DType::f32, noise(3 * 4))},
                 {"pos", Data(DType::i32, std::vector<double>{3, -1, 2})},
                 {"slot", Data(DType::i32, std::vector<double>{0, 0, 1})},
                 {"k_cache", Data(DType::f32, 12)},
                 {"v_cache", Data(DType::f32, 12)}};
    run(kv_write(target, "kv_write", {.rows = {3}, .slots = {1}, .capacity = {3}, .heads = 1, .head_dim = 4}), b);
    CHECK(b["k_cache"].values() == std::vector<double>(12, 0));
  }
}
