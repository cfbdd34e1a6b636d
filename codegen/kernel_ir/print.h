// SPDX-License-Identifier: Apache-2.0
// Kernel IR as text, for tests, dumps and errors: one line a node, in order, nothing left out.
#pragma once

#include <string>

#include "codegen/kernel_ir/ir.h"

namespace openinfer::kir {

std::string to_text(const Kernel& kernel);

}  // namespace openinfer::kir
