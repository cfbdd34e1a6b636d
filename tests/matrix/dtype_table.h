// SPDX-License-Identifier: Apache-2.0
// Which operator takes which dtype where, asked of the operators and of the compiler, as the table of
// lib/ops/README.md.
#pragma once

#include <string>

namespace openinfer::matrix {

/// For each operator and dtype its first cell is lowered and rendered as C++, GLSL and CUDA; what refuses it is left
/// out there. Errors: whatever a target throws that is no refusal.
std::string dtype_table();

}  // namespace openinfer::matrix
