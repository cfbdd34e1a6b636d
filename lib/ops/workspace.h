// SPDX-License-Identifier: Apache-2.0
// What references take beside their results, for OpDef::workspace, as several operators say it.
#pragma once

#include "openinfer/op_def.h"

namespace openinfer {

/// Elements are moved, or looked at one after another: nothing of size.
inline Workspace no_workspace(const OpRun&) { return {}; }

/// Each thread a row of operand 0 along the attribute `axis`, in the type of its sums.
Workspace row_workspace(const OpRun& run);

}  // namespace openinfer
