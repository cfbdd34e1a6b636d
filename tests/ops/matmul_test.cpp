// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "lib/base/dequantize.h"
#include "lib/base/dot.h"
#include "lib/ops/builtin.h"
#include "openinfer/ops.h"
#include "tests/ops/single_op.h"

namespace openinfer {
namespace {

using testing::Operand;
using testing::SingleOp;

std::vector<float> random_floats(std::mt19937& random, std::int64_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

/// Random bits with half scales that are small ordinary numbers, so that no sum is lost in one huge term.
Tensor random_blocks(std::mt19937& random, DType dtype, Extents shape) {
  Tensor t(dtype, std::move(shape));
  const auto bytes = t.mutable_bytes();
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  const auto block = static_cast<std::size_t>(info(dtype).block_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += block)
    for (std::size_t half : {std::size_t{0}, std::size_t{2}}) {
      if (half == 2 && dtype != DType::q4_1 && dtype != DType::q4_k) continue;
      const Half scale(0.01f + static_cast<float>(random() % 100) / 1000.f);
      bytes[at + half] = static_cast<std::byte>(scale.bits & 0xff);
      bytes[at + half + 1] = static_cast<std::byte>(scale.bits >> 8);
    }
  return t;
}

std::vector<float> decoded(const Tensor& t) {
  std::vector<float> y(static_cast<std::size_t>(t.count()));
  dequantize(t.dtype(), t.bytes().data(), y.data(), t.count());
  return y;
}

/// The definition: y[m, n] = dot16(x[m], column n of w), where at(k, n) finds w's element.
template <class At>
std::vector<float> by_definition(const std::vector<float>& x, std::int64_t M, std::int64_t N, std::int64_t K, At at) {
  std::vector<float> y;
  for (std::int64_t m = 0; m < M; ++m)
    for (std::int64_t n = 0; n < N; ++n)
      y.push_back(
          sum16_of<float>(K, [&](std::int64_t k) { return x[static_cast<std::size_t>(m * K + k)] * at(k, n); }));
  return y;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float p, float q) {
           return std::bit_cast<std::uint32_t>(p) == std::bit_cast<std::uint32_t>(q);
         });
}

}  // namespace

TEST_CASE("matmul is dot16 for every stored form, size and cut") {
  std::mt19937 random(11);
  for (std::int64_t K : {1, 16, 37, 256})
    for (std::int64_t N : {1, 5, 67})
      for (std::int64_t M : {1, 3, 9}) {
        const auto x = random_floats(random, M * K), w = random_floats(random, N * K);
        const auto want =
            by_definition(x, M, N, K, [&](auto k, auto n) { return w[static_cast<std::size_t>(n * K + k)]; });
        std::vector<float> columns(w.size());
        for (std::int64_t n = 0; n < N; ++n)
          for (std::int64_t k = 0; k < K; ++k)
            columns[static_cast<std::size_t>(k * N + n)] = w[static_cast<std::size_t>(n * K + k)];
        const Operand xs{Tensor(x, {M, K})};
        const Tensor rows(w, {N, K}), cols(columns, {K, N});
        for (std::int64_t chunk : {0, 1, 3}) {
          INFO("K " << K << " N " << N << " M " << M << " chunk " << chunk);
          const auto run = [&](Operand weight, bool transpose) {
            Attributes a;
            if (transpose) a.set("transpose_w", true);
            const Tensor y = SingleOp{matmul_op(), {xs, std::move(weight)}, a, nullptr, chunk}.run_one();
            REQUIRE(y.shape() == Extents{M, N});
            return same_bits(y.data<float>(), want);
          };
          REQUIRE(run({rows, true}, false));
          REQUIRE(run({rows, false}, true));
          REQUIRE(run({cols, false}, false));
          REQUIRE(run({cols, true}, true));
        }
      }
}

TEST_CASE("matmul takes blocks along either dimension") {
  std::mt19937 random(12);
  const std::int64_t M = 3, K = 512, N = 256;
  const auto x = random_floats(random, M * K);
  for (DType dtype : {DType::q4_0, DType::q4_1, DType::q8_0, DType::q4_k}) {
    INFO("dtype " << name(dtype));
    const Tensor rows = random_blocks(random, dtype, {N, K}), cols = random_blocks(random, dtype, {K, N});
    const auto r = decoded(rows), c = decoded(cols);
    const auto by_rows =
        by_definition(x, M, N, K, [&](auto k, auto n) { return r[static_cast<std::size_t>(n * K + k)]; });
    const auto by_cols =
        by_definition(x, M, N, K, [&](auto k, auto n) { return c[static_cast<std::size_t>(k * N + n)]; });
    const Operand xs{Tensor(x, {M, K})};
    CHECK(same_bits(SingleOp{matmul_op(), {xs, {rows, true}}, {}, nullptr, 2}.run_one().data<float>(), by_rows));
    CHECK(same_bits(SingleOp{matmul_op(), {xs, {cols, false}}, {}, nullptr, 2}.run_one().data<float>(), by_cols));
  }
}

TEST_CASE("matmul broadcasts leading dimensions") {
  std::mt19937 random(13);
  const auto x = random_floats(random, 2 * 1 * 3 * 5), w = random_floats(random, 4 * 5 * 2);
  const Tensor y = SingleOp{matmul_op(), {Tensor(x, {2, 1, 3, 5}), Tensor(w, {4, 5, 2})}}.run_one();
  REQUIRE(y.shape() == Extents{2, 4, 3, 2});
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t c = 0; c < 4; ++c) {
      const std::vector<float> rows(x.begin() + b * 15, x.begin() + (b + 1) * 15);
      const auto want =
          by_definition(rows, 3, 2, 5, [&](auto k, auto n) { return w[static_cast<std::size_t>(c * 10 + k * 2 + n)]; });
      CHECK(same_bits(y.data<float>().subspan(static_cast<std::size_t>((b * 4 + c) * 6), 6), want));
    }
  // One matrix serves every leading dimension; a vector has no rows of its own.
  const Tensor one = SingleOp{matmul_op(), {Tensor(x, {2, 3, 5}), Tensor(random_floats(random, 10), {5, 2})}}.run_one();
  CHECK(one.shape() == Extents{2, 3, 2});
  const Tensor vector = SingleOp{matmul_op(), {Tensor(random_floats(random, 5), {5}), Tensor(w, {4, 5, 2})}}.run_one();
  CHECK(vector.shape() == Extents{4, 2});
}

TEST_CASE("matmul with nothing to add gives zeros, with no rows nothing") {
  const Tensor zeros = SingleOp{matmul_op(), {Tensor(f32, {2, 0}), Tensor(f32, {0, 3})}}.run_one();
  CHECK(zeros == Tensor(f32, {2, 3}));
  CHECK(SingleOp{matmul_op(), {Tensor(f32, {0, 4}), Tensor(f32, {4, 3})}}.run_one().count() == 0);
  CHECK(SingleOp{matmul_op(), {Tensor(f32, {2, 4}), Tensor(f32, {4, 0})}}.run_one().count() == 0);
}

TEST_CASE("matmul rounds f16 and bf16 once and sums f64 in f64") {
  // 1 + 2^-9 - 1 would vanish if partial results were f16: 2048 + 1 rounds to 2048 there.
  const std::vector<Half> x = {Half(2048), Half(1), Half(-2048)}, ones(3, Half(1));
  CHECK(SingleOp{matmul_op(), {Tensor(x, {1, 3}), Tensor(ones, {3, 1})}}.run_one().data<Half>()[0] == 1.f);
  const std::vector<BFloat16> b = {BFloat16(256), BFloat16(1), BFloat16(-256)};
  CHECK(SingleOp{matmul_op(), {Tensor(b, {1, 3}), Tensor(ones, {3, 1})}}.run_one().data<BFloat16>()[0] == 1.f);
  const std::vector<double> d = {1, 0x1p-40, -1};
  CHECK(SingleOp{matmul_op(), {Tensor(d, {1, 3}), Tensor(ones, {3, 1})}}.run_one().data<double>()[0] == 0x1p-40);
}

TEST_CASE("linear adds its bias before the one rounding") {
  std::mt19937 random(14);
  const auto x = random_floats(random, 3 * 7), w = random_floats(random, 7 * 5), b = random_floats(random, 5);
  const Tensor plain = SingleOp{matmul_op(), {Tensor(x, {3, 7}), Tensor(w, {7, 5})}}.run_one();
  const Tensor y =
      SingleOp{linear_op(), {Tensor(x, {3, 7}), Tensor(w, {7, 5}), Tensor(b, {5})}, {}, nullptr, 1}.run_one();
  for (std::size_t i = 0; i < 15; ++i) CHECK(y.data<float>()[i] == plain.data<float>()[i] + b[i % 5]);
  const Tensor half = SingleOp{
      linear_op(),
      {Tensor(std::vector{Half(2048)}, {1}), Tensor(std::vector{Half(1)}, {1, 1}),
       Tensor(std::vector{1.5f},
              {1})}}.run_one();
  CHECK(half.data<Half>()[0] == 2050.f);  // 2049.5, rounded once
}

}  // namespace openinfer
