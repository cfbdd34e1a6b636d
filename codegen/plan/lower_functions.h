// SPDX-License-Identifier: Apache-2.0
// The functions that lower_table.cpp names: one for each kind of group or kernel request.
#pragma once

#include "codegen/plan/lowering.h"

namespace openinfer::plan {

void lower_pointwise(GroupLowering& l);  // lower_elementwise.cpp
void lower_product(GroupLowering& l);    // lower_product.cpp
/// In what form the group's products will ask for the rows of their activations; nothing: as they are.
std::optional<RowForm> rows_of_products(GroupLowering& l);  // lower_product.cpp
void lower_expert_matmul(GroupLowering& l);                 // lower_experts.cpp
void lower_attention(GroupLowering& l);                     // lower_attention.cpp

/// Does a kernel for `value`, in one of the dtypes that its family has, read codebooks? Then `bind` has them.
bool bind_codebooks(GroupLowering& l, ValueId value, std::map<std::string, Operand>& bind);  // lower_product.cpp

/// What kernels read of a value: itself, or, of one that is read through, integers and what makes numbers of them.
struct ReadAs {
  ValueId stored = kNoValue;
  std::optional<kernels::AffineCode> affine = {};
};
ReadAs read_as(GroupLowering& l, ValueId value);  // lower_affine.cpp
/// Binds the buffers that StoredMatrix declares for `name`; `value` is what read_as was asked for.
void bind_stored(GroupLowering& l, ValueId value, const std::string& name, std::map<std::string, Operand>& bind);

void lower_affine(GroupLowering& l);  // lower_affine.cpp

/// The attribute `axis` of an operand of that rank, counted from the front.
std::size_t axis_of(const GroupLowering& l, const Node& n, std::size_t rank);  // lower_rows.cpp

/// A shape cut along the dimensions [first, last): what lies around them, their extents, what lies within.
struct Cut {
  kernels::Extent outer, axis, inner;
};
Cut cut(GroupLowering& l, const Shape& shape, std::size_t first, std::size_t last);  // lower_rows.cpp
/// "softmax_probabilities": the operator and its first result.
std::string kernel_name(const GroupLowering& l, const Node& head);  // lower_rows.cpp

void lower_norm(GroupLowering& l);     // lower_rows.cpp: rms_norm, layer_norm
void lower_softmax(GroupLowering& l);  // lower_rows.cpp
void lower_reduce(GroupLowering& l);   // lower_rows.cpp: sum, mean, prod, reduce_max, reduce_min
void lower_argmax(GroupLowering& l);   // lower_rows.cpp: argmax, argmin
void lower_gather(GroupLowering& l);   // lower_rows.cpp
void lower_cast(GroupLowering& l);     // lower_rows.cpp: of tensors in blocks; of others it is elementwise

void lower_transpose(GroupLowering& l);  // lower_moves.cpp
void lower_slice(GroupLowering& l);      // lower_moves.cpp
void lower_broadcast(GroupLowering& l);  // lower_moves.cpp
void lower_flip(GroupLowering& l);       // lower_moves.cpp
void lower_concat(GroupLowering& l);     // lower_moves.cpp
void lower_reshape(GroupLowering& l);    // lower_moves.cpp
void lower_iota(GroupLowering& l);       // lower_moves.cpp

void lower_top_k(GroupLowering& l);    // lower_order.cpp
void lower_sort(GroupLowering& l);     // lower_order.cpp
void lower_cumsum(GroupLowering& l);   // lower_order.cpp
void lower_scatter(GroupLowering& l);  // lower_order.cpp

void lower_rope(GroupLowering& l);         // lower_state.cpp
void lower_kv_write(GroupLowering& l);     // lower_state.cpp: also behind rope
void lower_kv_read(GroupLowering& l);      // lower_state.cpp
void lower_state_read(GroupLowering& l);   // lower_state.cpp
void lower_state_write(GroupLowering& l);  // lower_state.cpp

}  // namespace openinfer::plan
