// SPDX-License-Identifier: Apache-2.0
// The bound of each operator that is not elementwise: what its result is in exact arithmetic, and how far a kernel of
// ours may be from it. One function an operator, with the reason of each constant.
#pragma once

#include <string_view>
#include <vector>

#include "codegen/check/bounded.h"
#include "codegen/check/values.h"
#include "lib/sim/thread_pool.h"

namespace openinfer::check {

/// One run of a node whose operands are the simulator's own: no error reaches it.
struct ExactRun {
  const Node& node;
  const Values& values;
  ThreadPool& pool;
  bool int8 = false;                 // of products: the kernel multiplies 8-bit blocks of its activations
  bool bf16 = false;                 // of products: the kernel rounds both operands to bf16
  bool bf16_scores = false;          // of attention: queries and keys are rounded once, not into two parts
  ValueId result = node.results[0];  // of several, the one that is asked for

  const TensorType& type(std::size_t operand) const { return values.graph().values[node.operands[operand]].type; }
  bool has(std::size_t operand) const { return operand < node.operands.size() && node.operands[operand] != kNoValue; }
  Tensor operand(std::size_t i) const { return values.tensor(node.operands[i]); }
  const Attribute& attribute(std::string_view name) const;
};

/// Errors: internal for an operator that has no row here.
Bounded op_bound(const ExactRun& run);

/// matmul and linear.
Bounded product_bound(const ExactRun& run);
Bounded expert_bound(const ExactRun& run);

/// Do kernels add a minimum to the scaled quants of that format?
bool has_minimum(DType dtype);

/// The operator on these operands as its reference computes it, floats as f64.
std::vector<double> in_f64(const Node& node, const std::vector<Tensor>& operands);
/// All operands of the run; absent ones are empty tensors of no shape.
std::vector<Tensor> operands_of(const ExactRun& run);
Tensor absolute(const Tensor& tensor);

}  // namespace openinfer::check
