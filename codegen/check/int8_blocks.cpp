// SPDX-License-Identifier: Apache-2.0
#include "codegen/check/int8_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "codegen/kernels/int8_rows.h"

namespace openinfer::check {
namespace {

constexpr std::size_t kBlock = kernels::kInt8Block;
constexpr double kSmallest = 0x1p-100;  // blocks without an element as large are zeros

double largest_of(std::span<const double> block) {
  double largest = 0;
  for (const double x : block) largest = std::isfinite(x) ? std::max(largest, std::abs(x)) : INFINITY;
  return largest;
}

}  // namespace

std::vector<std::int32_t> int8_blocks(std::span<const double> numbers) {
  std::vector<std::int32_t> words;
  for (std::size_t at = 0; at < numbers.size(); at += kBlock) {
    const std::span block = numbers.subspan(at, kBlock);
    const auto largest = static_cast<float>(largest_of(block));
    const bool finite = std::isfinite(largest), small = largest < kSmallest;
    const float inverse = small || !finite ? 0.0f : 127.0f / largest;
    const float d = !finite ? std::numeric_limits<float>::quiet_NaN() : small ? 0.0f : largest * (1.0f / 127);
    std::int32_t sum = 0, first = 0;
    std::vector<std::uint32_t> quants(kBlock / 4);
    for (std::size_t j = 0; j < kBlock; ++j) {
      const float scaled = finite ? std::nearbyint(static_cast<float>(block[j]) * inverse) : 0.0f;
      const auto q = static_cast<std::int32_t>(scaled);
      sum += q;
      first += j < kBlock / 2 ? q : 0;
      quants[j / 4] |= (static_cast<std::uint32_t>(q) & 255u) << j % 4 * 8;
    }
    words.insert(words.end(), {std::bit_cast<std::int32_t>(d), std::bit_cast<std::int32_t>(d * static_cast<float>(sum)),
                               sum, first});
    for (const std::uint32_t four : quants) words.push_back(static_cast<std::int32_t>(four));
  }
  return words;
}

void widen_to_int8(std::vector<double>& numbers, std::vector<double>& bounds) {
  // Half a step, and 127 steps off by the roundings of d and of x / d, which are a few of f32.
  constexpr double kSteps = 0.5 + 0x1p-10;
  for (std::size_t at = 0; at < numbers.size(); at += kBlock) {
    double largest = 0;
    bool open = false, finite = true;
    for (std::size_t i = at; i < at + kBlock; ++i) {
      open = open || !std::isfinite(bounds[i]);
      finite = finite && std::isfinite(numbers[i]);
      largest = std::max(largest, std::abs(numbers[i]) + bounds[i]);
    }
    for (std::size_t i = at; i < at + kBlock; ++i) {
      if (open || finite)
        bounds[i] = open ? INFINITY : bounds[i] + largest / 127 * kSteps + kSmallest;
      else
        numbers[i] = std::nan(""), bounds[i] = 0;
    }
  }
}

}  // namespace openinfer::check
