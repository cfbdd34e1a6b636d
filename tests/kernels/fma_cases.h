// SPDX-License-Identifier: Apache-2.0
// Operands of a · b + c where a second rounding shows, and what std::fma makes of them.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace openinfer::kernels {

using FmaCase = std::array<float, 3>;

inline std::vector<FmaCase> fma_cases(int random_cases) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kMax = std::numeric_limits<float>::max();
  constexpr float kDenormal = 0x1p-149f, kNan = std::numeric_limits<float>::quiet_NaN();
  const float special[] = {0.f,   -0.f,          1.f,        -1.f,      kInfinity,        -kInfinity,
                           kNan,  kDenormal,     -kDenormal, 0x1p-126f, 0x1.fffffcp-127f, kMax,
                           -kMax, 0x1.000002p0f, 0x1.8p1f};
  std::vector<FmaCase> all;
  for (const float a : special)
    for (const float b : special)
      for (const float c : special) all.push_back({a, b, c});
  // The product lies between two floats, as far from both: what is added decides, however small it is. In the middle
  // of the range, where results are denormal, and below infinity.
  const float beside = 0x1.001p0f;  // squared: 1 + 2^-11 + 2^-24
  for (const float scale : {1.f, 0x1p-60f, 0x1p-63f, 0x1p-70f, 0x1p63f})
    for (const float c : {0.f, kDenormal, 0x1p-126f, 0x1p-60f, 0x1p-25f, 0x1p-24f, 0x1p-23f, 1.f, 0x1p30f, 0x1p100f})
      for (const float sign : {1.f, -1.f})
        for (const float c_sign : {1.f, -1.f}) all.push_back({sign * beside * scale, beside * scale, c_sign * c});
  std::uint64_t state = 1;
  const auto random = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
    return static_cast<std::uint32_t>(state >> 32);
  };
  const auto with_exponent = [&](std::uint32_t exponent) {
    return std::bit_cast<float>((random() & 0x807fffffu) | ((exponent & 255) << 23));
  };
  for (int i = 0; i < random_cases; ++i) {
    const float a = std::bit_cast<float>(random()), b = std::bit_cast<float>(random());
    all.push_back({a, b, std::bit_cast<float>(random())});
    // c takes away what the product is, but for its last bits.
    const std::uint32_t near = 64 + random() % 128;
    const float x = with_exponent(near), y = with_exponent(254 - near + random() % 8), c = -x * y;
    all.push_back({x, y, c});
    all.push_back({x, y, std::bit_cast<float>(std::bit_cast<std::uint32_t>(c) + random() % 5 - 2)});
    // c of about the product's size; of a size that reaches its last bits; results near both ends of the range.
    all.push_back({x, y, with_exponent(120 + random() % 16)});
    all.push_back({x, y, with_exponent(127 - 24 - random() % 32)});
    all.push_back({with_exponent(60 + random() % 10), with_exponent(60 + random() % 10), with_exponent(random() % 30)});
    all.push_back({with_exponent(190), with_exponent(190 + random() % 3), with_exponent(252 + random() % 3)});
  }
  return all;
}

/// The same number, zeros with their signs; any NaN is one.
inline bool is_fma(const FmaCase& x, float found) {
  const float wanted = std::fma(x[0], x[1], x[2]);
  return std::isnan(wanted) ? std::isnan(found)
                            : std::bit_cast<std::uint32_t>(wanted) == std::bit_cast<std::uint32_t>(found);
}

}  // namespace openinfer::kernels
