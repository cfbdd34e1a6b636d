// SPDX-License-Identifier: Apache-2.0
// Operands of a · b + c where a second rounding shows, and what std::fma makes of them: floats and doubles.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

namespace openinfer::kernels {

template <class Real>
using FmaCase = std::array<Real, 3>;

template <class Real>
std::vector<FmaCase<Real>> fma_cases(int random_cases) {
  using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  using Limits = std::numeric_limits<Real>;
  constexpr int kDigits = Limits::digits, kBias = Limits::max_exponent - 1;  // 24 and 127; 53 and 1023
  constexpr Real kInfinity = Limits::infinity(), kMax = Limits::max(), kMin = Limits::min();
  constexpr Real kDenormal = Limits::denorm_min(), kNan = Limits::quiet_NaN(), kEpsilon = Limits::epsilon();
  const auto power = [](int exponent) { return std::ldexp(Real{1}, exponent); };
  const Real special[] = {0,    -Real{0}, 1,         -1,         kInfinity, -kInfinity,           kNan,
                          kMax, -kMax,    kDenormal, -kDenormal, kMin,      kMin - 4 * kDenormal, 1 + kEpsilon,
                          3};
  std::vector<FmaCase<Real>> all;
  for (const Real a : special)
    for (const Real b : special)
      for (const Real c : special) all.push_back({a, b, c});
  // The product lies between two numbers, as far from both: what is added decides, however small it is. In the middle
  // of the range, where results are denormal, and below infinity.
  const Real beside = 1 + power(-(kDigits / 2));  // squared: 1 + 2^-11 + 2^-24; 1 + 2^-25 + 2^-52
  for (const Real scale : {Real{1}, power(-kBias / 2 + 3), power(-kBias / 2), power(-kBias / 2 - 7), power(kBias / 2)})
    for (const Real c : {Real{0}, kDenormal, kMin, power(-kBias / 2), power(-kDigits - 1), power(-kDigits),
                         power(1 - kDigits), Real{1}, power(30), power(kBias - 27)})
      for (const int sign : {1, -1})
        for (const int c_sign : {1, -1}) all.push_back({sign * beside * scale, beside * scale, c_sign * c});
  std::uint64_t state = 1;
  const auto half = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
    return state >> 32;
  };
  const auto random = [&] { return static_cast<Bits>(sizeof(Real) == 4 ? half() : half() << 32 | half()); };
  const auto below = [&](int n) { return static_cast<int>(half() % static_cast<unsigned>(n)); };
  const auto real = [](Bits bits) { return std::bit_cast<Real>(bits); };
  const auto with_exponent = [&](int exponent) {
    constexpr Bits kField = static_cast<Bits>(2 * kBias + 1) << (kDigits - 1);
    return real((random() & ~kField) | (static_cast<Bits>(exponent) << (kDigits - 1) & kField));
  };
  for (int i = 0; i < random_cases; ++i) {
    const Real a = real(random()), b = real(random());
    all.push_back({a, b, real(random())});
    // c takes away what the product is, but for its last bits.
    const int near = kBias / 2 + below(kBias);
    const Real x = with_exponent(near), y = with_exponent(2 * kBias - near + below(8)), c = -x * y;
    all.push_back({x, y, c});
    all.push_back({x, y, real(std::bit_cast<Bits>(c) + static_cast<Bits>(below(5)) - 2)});
    // c of about the product's size; of a size that reaches its last bits; results near both ends of the range.
    all.push_back({x, y, with_exponent(kBias - 7 + below(16))});
    all.push_back({x, y, with_exponent(kBias - kDigits - below(kDigits + 8))});
    const int low = kBias / 2 - 3;
    all.push_back({with_exponent(low + below(10)), with_exponent(low + below(10)), with_exponent(below(kDigits + 6))});
    const int high = kBias + kBias / 2;
    all.push_back({with_exponent(high), with_exponent(high + below(3)), with_exponent(2 * kBias - 2 + below(3))});
  }
  return all;
}

/// The same number, zeros with their signs; any NaN is one.
template <class Real>
bool is_fma(const FmaCase<Real>& x, Real found) {
  const Real wanted = std::fma(x[0], x[1], x[2]);
  return std::isnan(wanted) ? std::isnan(found) : wanted == found && std::signbit(wanted) == std::signbit(found);
}

}  // namespace openinfer::kernels
