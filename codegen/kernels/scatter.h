// SPDX-License-Identifier: Apache-2.0
// y = x but y[o, ids[j], i] = updates[o, j, i], the last j of several; or x with all of them added, in their order.
#pragma once

#include <string>

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// Buffers: x (outer, entries, inner), ids (count), updates (outer, count, inner), then y as x. Each element of y looks
/// through the ids: nothing is written twice. An id beyond x changes nothing.
struct Scatter {
  Extent outer, entries, count, inner;
  DType x = DType::f32;
  DType ids = DType::i32;  // i32 or i64
  bool add = false;
};
TemplateKernel scatter(const kir::Target& target, std::string name, const Scatter& what);

}  // namespace openinfer::kernels
