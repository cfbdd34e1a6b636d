// SPDX-License-Identifier: Apache-2.0
// To whole numbers: what the C library leaves to the rounding mode of the thread.
#pragma once

#include <cmath>
#include <concepts>

namespace openinfer::scalar {

/// The nearest whole number, of two the even one, with the sign of x: by a remainder in [-0.5, 0.5], which takes the
/// even neighbour in every rounding mode.
template <std::floating_point T>
T round_even(T x) {
  return std::isfinite(x) ? std::copysign(x - std::remainder(x, T(1)), x) : x;
}

}  // namespace openinfer::scalar
