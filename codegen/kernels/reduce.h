// SPDX-License-Identifier: Apache-2.0
// sum, mean, prod, max, min: y[o, i] = fold_j x[o, j, i]; argmax, argmin: y[o, i] = the first (or last) j of the
// largest, smallest x[o, j, i].
#pragma once

#include <string>

#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

/// Buffers: x (outer, reduced, inner), then y (outer, inner) or the tail's. Arithmetic in the compute kind of x's
/// dtype; y has that dtype, of a place i32. A NaN is the largest, the smallest. Only sums, means and products may be of
/// nothing. The order of a product's factors is j.
struct Reduce {
  enum class Fold : std::uint8_t { sum, mean, prod, max, min, argmax, argmin };
  Fold fold = Fold::sum;
  Extent outer, reduced, inner;
  DType x = DType::f32;
  Pointwise tail = {};  // of one given value
  bool last = false;    // argmax, argmin: the last of equals
};
TemplateKernel reduce(const kir::Target& target, std::string name, const Reduce& what);

}  // namespace openinfer::kernels
