// SPDX-License-Identifier: Apache-2.0
// What of a device kernels are built for, in given numerics: its row of the database as a kir::Target.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/kernel_ir/ir.h"
#include "lib/base/device.h"
#include "openinfer/sim.h"

namespace openinfer::emit {

/// Which fragments of matrices kernels use, or why none.
struct MatrixUnits {
  std::optional<MmaShape> shape;  // for kir::Target::mma
  std::string why_not;            // empty: there is a shape, or strict numerics
};

/// By the row, in numerics that let them round operands: f16 of GPUs (fast), bf16 of CPUs (bf16 and fast), with sums
/// in f32, in a shape and by an instruction or extension that a renderer writes. `bounded`: results are held to bounds
/// (check data), which do not know f16's roundings.
MatrixUnits matrix_units(const Device& device, Numerics numerics, bool bounded = false);

struct BuiltFor {
  kir::Target target;
  std::vector<std::string> notes = {};  // for plan.txt: what the device has and kernels leave, and why
};
BuiltFor built_for(const Device& device, Numerics numerics, bool bounded = false);

inline kir::Target target_of(const Device& device, Numerics numerics = Numerics::strict) {
  return built_for(device, numerics).target;
}

}  // namespace openinfer::emit
