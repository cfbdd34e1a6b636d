// SPDX-License-Identifier: Apache-2.0
// The k largest of each row in order, by their places where they are equal: one pass over the row for each.
#pragma once

#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// Buffers: x (outer, axis, inner), then values, of x's dtype, and indices, i32, (outer, k, inner). axis ≥ k.
struct TopK {
  Extent outer, axis, inner;
  std::int64_t k = 1;
  DType x = DType::f32;
};
TemplateKernel top_k(const kir::Target& target, std::string name, const TopK& what);

}  // namespace openinfer::kernels
