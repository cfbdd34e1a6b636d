// SPDX-License-Identifier: Apache-2.0
// NaNs and infinities in a tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "openinfer/tensor.h"

namespace openinfer {

struct NonFinite {
  std::string_view what;   // "NaN", "inf" or "-inf"
  Extents place;           // of the first one
  std::int64_t count = 0;  // of all
};

/// Nothing for a tensor without one, and for dtypes without NaN and infinity.
std::optional<NonFinite> find_nonfinite(const TensorView& tensor);

}  // namespace openinfer
