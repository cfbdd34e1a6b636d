// SPDX-License-Identifier: Apache-2.0
// Functions that are reshape, transpose, slice, concat and broadcast under the names that users look for.
#include <algorithm>

#include "lib/base/fail.h"
#include "lib/ops/compose.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// Which of `rank` dimensions are named, each once.
std::vector<bool> named_axes(std::string_view op, const std::vector<std::int64_t>& axes, std::size_t rank,
                             const Value& x, Location at) {
  std::vector<bool> named(rank, false);
  for (const std::int64_t given : axes) {
    const std::size_t axis = axis_within(op, given, rank, x, at);
    if (named[axis])
      fail_at(at, ErrorCode::invalid_argument, "[{}] axis {} of {} {} is named twice", op, given, described(x),
              to_string(x.shape()));
    named[axis] = true;
  }
  return named;
}

Shape with_extents_of_one(const Shape& shape, const std::vector<bool>& added) {
  Shape wider;
  std::size_t next = 0;
  for (const bool is_added : added) wider.push_back(is_added ? Dim(1) : shape[next++]);
  return wider;
}

}  // namespace

Value permute(const In& x, std::vector<std::int64_t> order) {
  const Value v = value_in("permute", x);
  if (order.size() != v.shape().size())  // [C1]
    fail_at(x.at(), ErrorCode::invalid_argument, "[permute] {} dimensions are named, {} {} has {}", order.size(),
            described(v), to_string(v.shape()), v.shape().size());
  for (std::int64_t& axis : order)
    axis = static_cast<std::int64_t>(axis_within("permute", axis, v.shape().size(), v, x.at()));
  return transpose(In(v, x.at()), std::move(order));
}

std::vector<Value> split(const In& x, const Shape& sizes, std::int64_t axis) {
  const Value v = value_in("split", x);
  const std::size_t d = axis_within("split", axis, v.shape().size(), v, x.at());
  Dim begin = 0;
  for (const Dim& size : sizes) begin = begin.plus(size);
  if (begin != v.shape()[d])  // [C2]
    fail_at(x.at(), ErrorCode::shape_mismatch, "[split] {} make {}, not {}, the extent of {} {} along axis {}",
            to_string(sizes), begin.to_string(), v.shape()[d].to_string(), described(v), to_string(v.shape()), axis);
  std::vector<Value> parts;
  begin = 0;
  for (const Dim& size : sizes) {
    const Dim end = begin.plus(size);
    parts.push_back(slice(In(v, x.at()), {.axis = axis, .begin = begin, .end = end}));
    begin = end;
  }
  return parts;
}

std::vector<Value> chunk(const In& x, std::int64_t parts, std::int64_t axis) {
  const Value v = value_in("chunk", x);
  const Dim extent = v.shape()[axis_within("chunk", axis, v.shape().size(), v, x.at())];
  const auto divides = [&](std::int64_t n) { return parts > 0 && n % parts == 0; };
  const auto& terms = extent.terms();
  const bool even = divides(extent.constant()) &&
                    std::all_of(terms.begin(), terms.end(), [&](const Dim::Term& t) { return divides(t.factor); });
  if (!even)  // [C2]
    fail_at(x.at(), ErrorCode::shape_mismatch, "[chunk] {} elements of {} {} along axis {} make no {} equal parts",
            extent.to_string(), described(v), to_string(v.shape()), axis, parts);
  Dim size = extent.constant() / parts;
  for (const Dim::Term& t : terms) size = size.plus(Dim::symbol(t.symbol).times(t.factor / parts));
  return split(In(v, x.at()), Shape(static_cast<std::size_t>(parts), size), axis);
}

Value unsqueeze(const In& x, const std::vector<std::int64_t>& axes) {
  const Value v = value_in("unsqueeze", x);
  const std::vector<bool> added = named_axes("unsqueeze", axes, v.shape().size() + axes.size(), v, x.at());
  return reshape(In(v, x.at()), with_extents_of_one(v.shape(), added));
}

Value squeeze(const In& x, const std::vector<std::int64_t>& axes) {
  const Value v = value_in("squeeze", x);
  const std::vector<bool> gone = named_axes("squeeze", axes, v.shape().size(), v, x.at());
  Shape shape;
  for (std::size_t d = 0; d < gone.size(); ++d) {
    const Dim extent = v.shape()[d];
    if (!gone[d])
      shape.push_back(extent);
    else if (extent != Dim(1))  // [C2]
      fail_at(x.at(), ErrorCode::shape_mismatch, "[squeeze] axis {} of {} {} has {} elements, not 1", d, described(v),
              to_string(v.shape()), extent.to_string());
  }
  return reshape(In(v, x.at()), shape);
}

Value stack(const std::vector<In>& parts, std::int64_t axis, At at) {
  if (parts.empty()) fail_at(at, ErrorCode::invalid_argument, "[stack] of no parts");
  const Location line = at;
  std::vector<In> wider;
  for (const In& part : parts) {
    const Value v = value_in("stack", part, parts);
    const std::size_t d = axis_within("stack", axis, v.shape().size() + 1, v, line);
    wider.push_back(In(unsqueeze(In(v, line), {static_cast<std::int64_t>(d)}), line));
  }
  return concat(wider, axis, at);
}

Value tile(const In& x, const std::vector<std::int64_t>& repeats) {
  const Value v = value_in("tile", x);
  const Shape shape = v.shape();
  if (repeats.size() != shape.size())  // [C1]
    fail_at(x.at(), ErrorCode::invalid_argument, "[tile] {} repeats for the {} dimensions of {} {}", repeats.size(),
            shape.size(), described(v), to_string(shape));
  Shape split_up, spread, joined;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (repeats[d] < 0)  // [C1]
      fail_at(x.at(), ErrorCode::invalid_argument, "[tile] {} repeats along axis {}", repeats[d], d);
    split_up.insert(split_up.end(), {Dim(1), shape[d]});
    spread.insert(spread.end(), {Dim(repeats[d]), shape[d]});
    joined.push_back(shape[d].times(repeats[d]));
  }
  const In apart = In(reshape(In(v, x.at()), split_up), x.at());
  return reshape(In(broadcast(apart, spread), x.at()), joined);
}

Value pad(const In& x, const std::vector<Padding>& sides, double value) {
  const Value v = value_in("pad", x);
  Value padded = v;
  for (const Padding& side : sides) {
    const std::size_t axis = axis_within("pad", side.axis, v.shape().size(), v, x.at());
    std::vector<In> parts;
    const auto add = [&](const Dim& extent) {
      if (extent == Dim(0)) return;
      Shape shape = padded.shape();
      shape[axis] = extent;
      parts.push_back(In(fill_beside(padded, std::move(shape), value, v.dtype(), x.at()), x.at()));
    };
    add(side.before);
    parts.push_back(In(padded, x.at()));
    add(side.after);
    if (parts.size() > 1) padded = concat(parts, side.axis, x.at());
  }
  return padded;
}

Value one_hot(const In& ids, const Dim& depth, DType dtype) {
  const Value v = value_in("one_hot", ids);
  const Value column = unsqueeze(In(v, ids.at()), {-1});
  if (v.dtype() != i32 && v.dtype() != i64)  // [C1]
    fail_at(ids.at(), ErrorCode::dtype_mismatch, "[one_hot] ids are i32 or i64, not {} {}", described(v),
            v.type().to_string());
  const Value numbers = iota_beside(v, {depth}, 0, v.dtype(), ids.at());
  const Value hot = eq(In(column, ids.at()), In(numbers, ids.at()));
  return dtype == boolean ? hot : cast(In(hot, ids.at()), dtype);
}

}  // namespace openinfer
