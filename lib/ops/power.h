// SPDX-License-Identifier: Apache-2.0
// The reference's a^b.
#pragma once

#include <cmath>

namespace openinfer {

/// C's pow (C11, F.10.4.4): x^0 and 1^y are 1 whatever x and y are, signalling NaNs as well, of which libraries make
/// NaN.
template <class T>
T power(T a, T b) {
  return b == 0 || a == 1 ? T(1) : std::pow(a, b);
}

}  // namespace openinfer
