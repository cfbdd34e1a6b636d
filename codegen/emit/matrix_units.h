// SPDX-License-Identifier: Apache-2.0
// Which fragments kernels for a device may use, where numerics let operands be rounded to f16.
#pragma once

#include <optional>
#include <string>

#include "lib/base/device.h"

namespace openinfer::emit {

struct MatrixUnits {
  std::optional<MmaShape> shape;  // for kir::Target::mma
  std::string why_not;            // for plan.txt; empty: there is a shape
};

/// By the row: f16, of CPUs bf16, with sums in f32, in a shape and by an instruction or extension that a renderer
/// writes.
MatrixUnits matrix_units(const Device& device);

}  // namespace openinfer::emit
