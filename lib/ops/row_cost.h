// SPDX-License-Identifier: Apache-2.0
// What operators over rows cost, for OpDef::cost: an operation of an element counts one, an exponential as a sum.
#pragma once

#include <functional>

#include "openinfer/op_def.h"

namespace openinfer {

using DimValue = std::function<std::int64_t(const Dim&)>;

double elements_of(const Shape& shape, const DimValue& value);

/// Operands read once, results written once, and so many operations for each element of operand 0.
Cost cost_of_elements(const InferContext& c, const DimValue& value, double flops_each);
template <int kFlopsEach>
Cost row_cost(const InferContext& c, const DimValue& value) {
  return cost_of_elements(c, value, kFlopsEach);
}

/// Of what orders rows along `axis`: log2 of their extent comparisons for each element, at least one.
Cost order_cost(const InferContext& c, const DimValue& value);

}  // namespace openinfer
