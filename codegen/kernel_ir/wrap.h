// SPDX-License-Identifier: Apache-2.0
// Which integer arithmetic may leave its kind: there Kernel IR wraps, and a language where signed overflow is undefined
// must be told so (CUDA C++ has no -fwrapv).
#pragma once

#include <vector>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

/// By node: an add, sub, mul, neg or abs of i32 or i64 whose result may not fit. Places (parameters, indices, lanes and
/// what is made of them, data that was clamped to them) are trusted: the plan refuses what 32 bits do not count. Data
/// from memory and bits of floats are not, unless they only say which element is touched: a place that does not fit is
/// outside of every buffer.
std::vector<bool> find_wrapping(const Kernel& kernel);

}  // namespace openinfer::kir
