// SPDX-License-Identifier: Apache-2.0
// The functions that lower_table.cpp names: one for each kind of group or kernel request.
#pragma once

#include "codegen/plan/lowering.h"

namespace openinfer::plan {

void lower_pointwise(GroupLowering& l);  // lower_elementwise.cpp
void lower_product(GroupLowering& l);    // lower_product.cpp
void lower_attention(GroupLowering& l);  // lower_attention.cpp
void lower_kv_read(GroupLowering& l);    // lower_attention.cpp

}  // namespace openinfer::plan
