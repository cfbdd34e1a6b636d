// SPDX-License-Identifier: Apache-2.0
// The library's operators by name: one function for each line of list.def.
#pragma once

#include "openinfer/op_def.h"

namespace openinfer {

#define OPENINFER_OP(name) const OpDef& name##_op();
#include "lib/ops/list.def"
#undef OPENINFER_OP

}  // namespace openinfer
