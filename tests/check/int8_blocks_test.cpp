// SPDX-License-Identifier: Apache-2.0
// 8-bit blocks of the simulator's values: bit for bit what kernels make of them, and bounds that hold what others may.
#include "codegen/check/int8_blocks.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "codegen/kernel_ir/interpret.h"
#include "codegen/kernels/int8_rows.h"

using namespace openinfer;

namespace {

/// As kernels make them.
std::vector<std::int32_t> by_kernel(const std::vector<double>& numbers) {
  std::vector<float> x(numbers.begin(), numbers.end());
  std::vector<std::int32_t> words(numbers.size() / 32 * 12);
  const auto width = static_cast<std::int64_t>(x.size());
  const auto made = kernels::to_int8({.lanes = 16}, {.name = "k", .of = "x", .to = "y", .rows = {1}, .width = {width}});
  kir::interpret(made.kernel, {std::as_writable_bytes(std::span(x)), std::as_writable_bytes(std::span(words))}, {},
                 (width / 32 + 15) / 16);
  return words;
}

std::vector<double> elements(const std::vector<std::int32_t>& words) {
  std::vector<double> all;
  for (std::size_t b = 0; b < words.size(); b += 12) {
    std::int8_t q[32];
    float d = 0;
    std::memcpy(&d, &words[b], sizeof d);
    std::memcpy(q, &words[b + 4], sizeof q);
    for (const std::int8_t quant : q) all.push_back(static_cast<double>(d) * quant);
  }
  return all;
}

std::vector<double> numbers(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<double> x;
  for (int i = 0; i < 32 * 40; ++i)
    x.push_back(
        static_cast<float>(std::ldexp(static_cast<double>(random() % 20001) - 10000, static_cast<int>(random() % 6))));
  for (int i = 0; i < 32; ++i) {
    x[static_cast<std::size_t>(32 + i)] = 0;
    x[static_cast<std::size_t>(64 + i)] *= 0x1p-125;
    x[static_cast<std::size_t>(96 + i)] *= 0x1p-115;
    x[static_cast<std::size_t>(128 + i)] = i - 15.5;  // ties
  }
  x[170] = std::nan("");
  x[200] = -INFINITY;
  return x;
}

}  // namespace

TEST_CASE("8-bit blocks of recorded values are those of kernels") {
  const std::vector<double> x = numbers(1);
  CHECK(check::int8_blocks(x) == by_kernel(x));
}

TEST_CASE("blocks of values within their bounds stay within the bounds of blocks") {
  const std::vector<double> x = numbers(2);
  std::mt19937 random(3);
  std::vector<double> bounds, near = x, wanted = x;
  for (double& n : near) {
    bounds.push_back(std::isfinite(n) ? std::abs(n) / 64 : 0);
    n = static_cast<float>(n + bounds.back() * 0.999 * (static_cast<double>(random() % 2001) / 1000 - 1));
  }
  bounds[320] = INFINITY;
  check::widen_to_int8(wanted, bounds);
  const std::vector<double> found = elements(by_kernel(near));
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(i);
    if (i >= 160 && i < 224) {
      CHECK((std::isnan(wanted[i]) && std::isnan(found[i]) && bounds[i] == 0));
    } else if (i >= 320 && i < 352) {
      CHECK(bounds[i] == INFINITY);
    } else {
      CHECK(std::abs(found[i] - wanted[i]) <= bounds[i]);
      CHECK(bounds[i] <= std::abs(x[i]) / 64 + 320000 * 65.0 / 64 / 127);
    }
  }
}
