// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/row_cost.h"

#include <algorithm>
#include <cmath>

#include "lib/ops/shapes.h"

namespace openinfer {

double elements_of(const Shape& shape, const DimValue& value) {
  double n = 1;
  for (const Dim& d : shape) n *= static_cast<double>(value(d));
  return n;
}

Cost cost_of_elements(const InferContext& c, const DimValue& value, double flops_each) {
  Cost cost = {0, flops_each * elements_of(c.type(0).shape, value)};
  const auto moved = [&](const TensorType& t) {
    cost.bytes += elements_of(t.shape, value) * info(t.dtype).block_bytes;
  };
  for (std::size_t i = 0; i < c.operand_count(); ++i)
    if (c.has(i)) moved(c.type(i));
  for (const TensorType& result : c.op().infer(c)) moved(result);
  return cost;
}

Cost order_cost(const InferContext& c, const DimValue& value) {
  const Dim& extent = c.type(0).shape[axis_in(c, 0, c.integer("axis"))];
  return cost_of_elements(c, value, std::max(1.0, std::ceil(std::log2(static_cast<double>(value(extent))))));
}

}  // namespace openinfer
