// SPDX-License-Identifier: Apache-2.0
#include "lib/base/dot.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

namespace openinfer {
namespace {

/// The definition once more, written out.
float tree(std::vector<float> p) {
  for (int j = 0; j < 8; ++j) p[j] += p[j + 8];
  for (int j = 0; j < 4; ++j) p[j] += p[j + 4];
  return (p[0] + p[2]) + (p[1] + p[3]);
}
float plain_dot(const float* a, const float* b, std::int64_t n) {
  std::vector<float> p(16, 0.f);
  for (std::int64_t i = 0; i < n; ++i) {
    const float product = a[i] * b[i];
    p[static_cast<std::size_t>(i % 16)] += product;
  }
  return tree(p);
}

std::vector<float> random_floats(std::mt19937& random, std::int64_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = normal(random) * std::exp2(static_cast<float>(static_cast<int>(random() % 24) - 12));
  return values;
}

bool same_bits(float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }

}  // namespace

TEST_CASE("dot16 is sixteen partial sums and a tree, for every length") {
  std::mt19937 random(1);
  int differs_from_straight_sum = 0;
  for (std::int64_t n = 0; n < 100; ++n) {
    const auto a = random_floats(random, n), b = random_floats(random, n);
    REQUIRE(same_bits(dot16(a.data(), b.data(), n), plain_dot(a.data(), b.data(), n)));
    float straight = 0;
    for (std::int64_t i = 0; i < n; ++i) straight += a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(i)];
    differs_from_straight_sum += straight != dot16(a.data(), b.data(), n);
  }
  CHECK(differs_from_straight_sum > 20);  // the order of additions is seen by these numbers
}

TEST_CASE("dot_tile gives the bits of dot16 with every instruction set, tile and length") {
  std::mt19937 random(2);
  const Simd levels[] = {Simd::generic, Simd::avx2, Simd::avx512};
  for (std::int64_t k : {0, 1, 15, 16, 17, 31, 33, 64, 100, 577}) {
    const std::int64_t padded = padded16(k), rows = 9;
    std::vector<float> x(static_cast<std::size_t>(rows * padded)), w(x.size());
    const auto values = random_floats(random, 2 * rows * k);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < k; ++i) {
        x[static_cast<std::size_t>(r * padded + i)] = values[static_cast<std::size_t>(r * k + i)];
        w[static_cast<std::size_t>(r * padded + i)] = values[static_cast<std::size_t>((rows + r) * k + i)];
      }
    for (Simd level : levels) {
      if (level > simd_level()) continue;
      for (std::int64_t m = 1; m <= rows; m += 1)
        for (std::int64_t n = 1; n <= rows; n += 2) {
          std::vector<float> y(static_cast<std::size_t>(m * rows), -1.f);
          dot_detail::dot_tile(level, {x.data(), m, padded}, {w.data(), n, padded}, padded, y.data(), rows);
          for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t j = 0; j < n; ++j)
              REQUIRE(same_bits(y[static_cast<std::size_t>(i * rows + j)],
                                dot16(x.data() + i * padded, w.data() + j * padded, k)));
        }
    }
  }
}

TEST_CASE("dot_tile keeps NaN, infinities and denormals") {
  std::vector<float> x(32, 1.f), w(32, 1.f);
  const auto dot = [&] {
    float y = 0;
    dot_tile({x.data(), 1, 32}, {w.data(), 1, 32}, 32, &y, 1);
    return y;
  };
  x[17] = INFINITY;
  CHECK(dot() == INFINITY);
  w[17] = 0;
  CHECK(std::isnan(dot()));
  std::fill(x.begin(), x.end(), 0x1p-149f);
  std::fill(w.begin(), w.end(), 1.f);
  CHECK(dot() == 0x1p-144f);
}

TEST_CASE("add_weighted_rows adds the partial sums of a weighted sum of rows") {
  std::mt19937 random(3);
  const std::int64_t rows = 37, d = 21, first = 5;
  const auto weights = random_floats(random, rows), v = random_floats(random, rows * d);
  std::vector<char> skip(rows);
  skip[4] = skip[30] = 1;
  std::vector<float> partial(16 * d, 0.f);
  std::vector<double> wide(16 * d, 0.0);
  const std::vector<double> wide_weights(weights.begin(), weights.end()), wide_v(v.begin(), v.end());
  const auto* skipped = reinterpret_cast<const bool*>(skip.data());
  add_weighted_rows(weights.data(), skipped, first, {v.data(), rows, d}, d, partial.data());
  add_weighted_rows(wide_weights.data(), skipped, first, {wide_v.data(), rows, d}, d, wide.data());
  for (std::int64_t i = 0; i < d; ++i)
    for (std::int64_t j = 0; j < 16; ++j) {
      float sum = 0;
      double wide_sum = 0;
      for (std::int64_t t = 0; t < rows; ++t) {
        if ((first + t) % 16 != j || skip[static_cast<std::size_t>(t)]) continue;
        const auto at = static_cast<std::size_t>(t);
        const float product = weights[at] * v[static_cast<std::size_t>(t * d + i)];
        sum += product;
        wide_sum += wide_weights[at] * wide_v[static_cast<std::size_t>(t * d + i)];
      }
      REQUIRE(same_bits(partial[static_cast<std::size_t>(j * d + i)], sum));
      REQUIRE(wide[static_cast<std::size_t>(j * d + i)] == wide_sum);
    }
}

}  // namespace openinfer
