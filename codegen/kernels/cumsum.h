// SPDX-License-Identifier: Apache-2.0
// y[o, j, i] = Σ_{m ≤ j} x[o, m, i]
#pragma once

#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// Buffers: x, y (outer, axis, inner), of one dtype. Sums are made in the compute kind of the dtype and stored as they
/// go; integers wrap.
struct Cumsum {
  Extent outer, axis, inner;
  DType x = DType::f32;
};
TemplateKernel cumsum(const kir::Target& target, std::string name, const Cumsum& what);

}  // namespace openinfer::kernels
