// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/shapes.h"

#include <fmt/format.h>

namespace openinfer {

Shape broadcast_shapes(const InferContext& c, std::initializer_list<std::size_t> operands) {
  Shape result;
  for (std::size_t i : operands) {
    const auto misfit = broadcast_into(result, c.type(i).shape);
    if (!misfit) continue;
    std::string all;
    for (std::size_t j : operands)
      all += fmt::format("{}{} {}", all.empty() ? "" : " and ", c.describe(j), to_string(c.type(j).shape));
    c.fail(ErrorCode::shape_mismatch, fmt::format("shapes do not broadcast: {}; {} is neither {} nor 1", all,
                                                  misfit->first.to_string(), misfit->second.to_string()));
  }
  return result;
}

bool broadcasts_to(const Shape& x, const Shape& to) {
  Shape both = to;
  return !broadcast_into(both, x) && both == to;
}

std::size_t axis_in(const InferContext& c, std::size_t i, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(c.type(i).shape.size());
  if (axis < -rank || axis >= rank)
    c.fail(ErrorCode::invalid_argument, fmt::format("axis {} is outside {} {}, which has {} dimensions", axis,
                                                    c.describe(i), to_string(c.type(i).shape), rank));
  return axis_of(axis, c.type(i).shape.size());
}

void check_extents(const InferContext& c, const Shape& shape) {
  for (const Dim& d : shape)
    if (const std::int64_t low = c.bounds(d).first; low < 0)
      c.fail(ErrorCode::invalid_argument,
             fmt::format("the extent {} of the shape {} may be {}", d.to_string(), to_string(shape), low));
}

std::vector<std::int64_t> numbers(const InferContext& c, std::string_view attribute) {
  std::vector<std::int64_t> result;
  for (const Dim& d : c.dims(attribute)) {
    if (!d.is_constant())
      c.fail(ErrorCode::invalid_argument,
             fmt::format("{} holds the symbol {}, not a number", attribute, d.to_string()));
    result.push_back(d.constant());
  }
  return result;
}

}  // namespace openinfer
