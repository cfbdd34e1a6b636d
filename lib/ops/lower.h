// SPDX-License-Identifier: Apache-2.0
// How an operator is handed to code generators where no scalar expression says it all.
#pragma once

#include "openinfer/op_def.h"

namespace openinfer {

/// The kernel that has the operator's own name.
inline Lowering lower_to_kernel(const InferContext& c) { return KernelRequest{c.op().name}; }

}  // namespace openinfer
