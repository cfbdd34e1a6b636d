// SPDX-License-Identifier: Apache-2.0
// The order that top_k and sort put the elements of a row in: total, and stable.
#pragma once

#include "openinfer/op_def.h"

namespace openinfer {

/// Along `axis` of operand 0, the first elements of each row in order, as many as the results have: result 0 takes the
/// elements, result 1 (i32) their places. A NaN counts as largest, −0 and +0 as equal; equal elements keep the order
/// that they stand in.
void take_in_order(OpRun& run, bool descending);
/// Places of a row, of each thread.
Workspace order_workspace(const OpRun& run);

}  // namespace openinfer
