// SPDX-License-Identifier: Apache-2.0
// What the inputs of cells hold: the values where operators differ from each other, then noise. The same for the same
// seed on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "openinfer/tensor.h"

namespace openinfer::matrix {

/// Fills a tensor of a plain dtype.
using Fill = std::function<void(Tensor& t, std::uint32_t seed)>;

/// Of `operands` inputs of one operator this is number `operand`: the first elements are all combinations of zeros,
/// the smallest and the largest numbers, infinities, NaN, extremes of integers; behind them any bits and noise.
Fill every_value(int operand = 0, int operands = 1);
/// Numbers in [-size, size).
Fill noise(double size = 1);
/// Numbers in [-1, 1) with an infinity, two, a NaN, zeros of both signs in rows of the last dimension of their own;
/// integers: any bits.
Fill rows_of_noise();
/// Integers in [0, limit), both ends among them.
Fill ids(std::int64_t limit);
/// f(0), f(1), …
Fill numbered(std::function<std::int64_t(std::int64_t)> f);

/// Denormals of f32, bf16 and f64 become zeros: for devices that take them so.
void flush_denormals(Tensor& t);

/// `text` as a seed.
std::uint32_t seed_of(std::string_view text);

}  // namespace openinfer::matrix
