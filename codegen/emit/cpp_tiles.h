// SPDX-License-Identifier: Apache-2.0
// Fragments of matrices in C++: the tile registers of AMX. A fragment of sums takes four of the eight, one of each
// operand two, so a kernel has one of each at a time, and none of them has a name in the language: types stand for
// them.
#pragma once

#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

/// 32x32x32 in bf16 with sums in f32: the fragments that C++ has.
inline constexpr MmaShape kCppTiles = {.m = 32, .n = 32, .k = 32, .operand = DType::bf16, .sum = DType::f32};

/// Does the kernel use fragments?
bool has_tiles(const kir::Kernel& kernel);
/// Errors: unsupported for fragments of another shape; internal where a second one of a kind would be alive.
void check_tiles(const kir::Kernel& kernel);

}  // namespace openinfer::emit
