// SPDX-License-Identifier: Apache-2.0
// y[o, j, i] = exp(x[o, j, i] - largest) / Σ_j exp(x[o, j, i] - largest)
#pragma once

#include <string>

#include "codegen/kernels/pointwise.h"

namespace openinfer::kernels {

/// Buffers: x (outer, axis, inner), then y or the tail's. Floats but f64, for which devices have no exp.
struct Softmax {
  Extent outer, axis, inner;
  DType x = DType::f32;
  Pointwise tail = {};  // of one given value
};
TemplateKernel softmax(const kir::Target& target, std::string name, const Softmax& what);

}  // namespace openinfer::kernels
