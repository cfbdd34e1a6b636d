// SPDX-License-Identifier: Apache-2.0
// sum, mean, max: y[o, i] = fold_j x[o, j, i]; argmax: y[o, i] = the first j of the largest x[o, j, i].
#pragma once

#include <string>

#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

/// Buffers: x (outer, reduced, inner), then y (outer, inner) or the tail's. Arithmetic in the compute kind of x's
/// dtype; y has that dtype, of argmax i32. A NaN is the largest. Only a sum and a mean may be of nothing.
struct Reduce {
  enum class Fold : std::uint8_t { sum, mean, max, argmax };
  Fold fold = Fold::sum;
  Extent outer, reduced, inner;
  DType x = DType::f32;
  Pointwise tail = {};  // of one given value
};
TemplateKernel reduce(const kir::Target& target, std::string name, const Reduce& what);

}  // namespace openinfer::kernels
