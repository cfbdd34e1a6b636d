// SPDX-License-Identifier: Apache-2.0
#include "tests/matrix/cell.h"

#include <fmt/format.h>

#include "openinfer/ops.h"

namespace openinfer::matrix {

using testing::Rule;

Bound exact() { return {}; }
Bound ulp(double n, double floor) { return {.rule = {.kind = Rule::Kind::ulp, .n = n, .floor = floor}, .scale = {}}; }
Bound sum_bound(double c, std::function<Value()> scale) {
  return {.rule = {.kind = Rule::Kind::sum, .n = c}, .scale = std::move(scale)};
}

CellGraph::CellGraph(GraphBuilder& builder, const Model& model, const Cell&, std::size_t number, const Promise& promise,
                     bool reference)
    : builder_(builder),
      model_(model),
      number_(number),
      promise_(promise),
      reference_(reference),
      n_(builder.dim("N", 0, kMostRows)) {}

std::string CellGraph::own(const std::string& name) const { return fmt::format("{}_{}", name, number_); }
std::string CellGraph::weight_key(std::size_t cell, std::size_t weight) { return fmt::format("w{}_{}", weight, cell); }

Value CellGraph::input(DType dtype, Shape shape, Fill fill) {
  inputs_.push_back({own(fmt::format("x{}", inputs_.size())), {dtype, shape}, std::move(fill)});
  return builder_.input(inputs_.back().name, dtype, std::move(shape));
}

void CellGraph::output(const Value& y, const Bound& bound) {
  outputs_.push_back({own(fmt::format("y{}", outputs_.size())), bound.rule});
  builder_.output(outputs_.back().name, y);
  if (reference_ && bound.scale) builder_.output(outputs_.back().name + "_scale", bound.scale());
}

Value size_of(const In& x) { return abs(cast(x, f64)); }

}  // namespace openinfer::matrix
