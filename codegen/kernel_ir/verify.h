// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

/// Throws Error(internal) that names kernel, node and rule unless the kernel obeys every rule of the language: kinds,
/// rates, scopes, access, lane operations and barriers only where everyone who must take part does.
void verify(const Kernel& kernel);

}  // namespace openinfer::kir
