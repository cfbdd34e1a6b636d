// SPDX-License-Identifier: Apache-2.0
// Elements as integers in the order that top_k and sort have: a NaN above all, −0 and +0 one. No arithmetic of floats
// happens, so that the order is the same on devices that take denormals as zero.
#pragma once

#include "codegen/kernels/kernel_template.h"

namespace openinfer::kernels {

/// How a kernel that compares and moves elements reads them: the bits of floats.
kir::Kind key_memory(DType dtype);
/// i64 of dtypes of 64 bits, else i32.
kir::Kind key_kind(DType dtype);
/// The key of an element that was loaded from key_memory(dtype).
kir::Val sort_key(kir::Build& k, const kir::Val& element, DType dtype);

}  // namespace openinfer::kernels
