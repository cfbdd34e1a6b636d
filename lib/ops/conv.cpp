// SPDX-License-Identifier: Apache-2.0
// conv1d and conv2d as products: what a window sees is a column (im2col), the filters are rows.
#include "lib/base/fail.h"
#include "lib/ops/compose.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// A convolution over `stride.size()` axes.
struct Convolution {
  std::string_view op;
  std::vector<std::int64_t> stride, padding, dilation;
  std::int64_t groups = 1;
  OptionalIn bias = {};
};

[[noreturn]] void refuse_shapes(const Convolution& c, const Value& x, const Value& w, const char* why, Location at) {
  fail_at(at, ErrorCode::shape_mismatch, "[{}] {}: x {} {}, w {} {}, groups {}", c.op, why, described(x),
          to_string(x.shape()), described(w), to_string(w.shape()), c.groups);
}

void check_convolution(const Convolution& c, const Value& x, const Value& w, Location at) {
  const std::size_t axes = c.stride.size();
  const Shape xs = x.shape(), ws = w.shape();
  if (!is_float(x.dtype()) || x.dtype() != w.dtype())  // [C1]
    fail_at(at, ErrorCode::dtype_mismatch, "[{}] x and w are one float dtype, not {} {} and {} {}", c.op, described(x),
            x.type().to_string(), described(w), w.type().to_string());
  if (xs.size() != axes + 2 || ws.size() != axes + 2)  // [C2]
    refuse_shapes(c, x, w,
                  axes == 1 ? "x is (N, C, L), w (O, C/groups, K)" : "x is (N, C, H, W), w (O, C/groups, KH, KW)", at);
  for (std::size_t d = 0; d < ws.size(); ++d)
    if (!ws[d].is_constant()) refuse_shapes(c, x, w, "a filter has known extents", at);    // [C2]
  if (c.groups < 1 || xs[1] != ws[1].times(c.groups) || ws[0].constant() % c.groups != 0)  // [C3]
    refuse_shapes(c, x, w, "the channels do not divide into the groups of the filters", at);
  for (std::size_t a = 0; a < axes; ++a)
    if (c.padding[a] < 0)  // [C4]
      fail_at(at, ErrorCode::invalid_argument, "[{}] a padding of {}; slice what is not wanted", c.op, c.padding[a]);
}

/// x (N, C, L…) → (N, C, O, K, …): each spatial axis as windows.
Value windows_of(const Convolution& c, const Value& x, const Shape& w, Location at) {
  std::vector<Padding> sides;
  for (std::size_t a = 0; a < c.padding.size(); ++a)
    sides.push_back({static_cast<std::int64_t>(a) + 2, c.padding[a], c.padding[a]});
  Value seen = pad(In(x, at), sides);
  for (std::size_t a = 0; a < c.stride.size(); ++a)
    seen = windows_along(c.op, seen, 2 + 2 * a, {w[2 + a].constant(), c.stride[a], c.dilation[a]}, at);
  return seen;
}

/// y (N, groups, O / groups, positions) = filters (groups, O / groups, K) · columns (N, groups, K, positions)
Value convolved(const Convolution& c, const In& x_in, const In& w_in) {
  const Location at = x_in.at();
  const Value x = value_in(c.op, x_in, {w_in}), w = value_in(c.op, w_in, {x_in});
  check_convolution(c, x, w, at);
  const Shape xs = x.shape(), ws = w.shape();
  const Value seen = windows_of(c, x, ws, at);
  const auto axes = static_cast<std::int64_t>(c.stride.size());
  std::vector<std::int64_t> order = {0, 1};  // (N, C, K…, O…)
  for (std::int64_t a = 0; a < axes; ++a) order.push_back(3 + 2 * a);
  for (std::int64_t a = 0; a < axes; ++a) order.push_back(2 + 2 * a);
  Shape result = {xs[0], ws[0]};
  Dim positions = 1, taps = ws[1];
  for (std::int64_t a = 0; a < axes; ++a) {
    const Dim count = seen.shape()[static_cast<std::size_t>(2 + 2 * a)];
    if (!count.is_constant() && !positions.is_constant())
      fail_at(at, ErrorCode::unsupported, "[{}] only one of the axes of {} {} may be of unknown size", c.op,
              described(x), to_string(xs));
    positions = count.is_constant() ? positions.times(count.constant()) : count.times(positions.constant());
    taps = taps.times(ws[static_cast<std::size_t>(2 + a)].constant());
    result.push_back(count);
  }
  const Value moved = transpose(In(seen, at), order);
  const Dim filters = ws[0].constant() / c.groups;
  Value y;
  if (c.groups == 1)
    y = matmul(In(reshape(In(w, at), {ws[0], taps}), at), In(reshape(In(moved, at), {xs[0], taps, positions}), at));
  else
    y = matmul(In(reshape(In(w, at), {c.groups, filters, taps}), at),
               In(reshape(In(moved, at), {xs[0], c.groups, taps, positions}), at));
  y = reshape(In(y, at), result);
  if (!c.bias) return y;
  const Value bias = value_in(c.op, *c.bias, {x_in});
  if (bias.shape() != Shape{ws[0]})  // [C5]
    fail_at(at, ErrorCode::shape_mismatch, "[{}] the bias {} {} is not ({}), the filters of {} {}", c.op,
            described(bias), to_string(bias.shape()), ws[0].to_string(), described(w), to_string(ws));
  Shape column(static_cast<std::size_t>(axes) + 1, Dim(1));
  column[0] = ws[0];
  return add(In(y, at), In(reshape(In(bias, at), column), at));
}

}  // namespace

Value conv1d(const In& x, const In& w, const Conv1d& o) {
  return convolved({"conv1d", {o.stride}, {o.padding}, {o.dilation}, o.groups, o.bias}, x, w);
}

Value conv2d(const In& x, const In& w, const Conv2d& o) {
  const auto both = [](const std::array<std::int64_t, 2>& a) { return std::vector<std::int64_t>(a.begin(), a.end()); };
  return convolved({"conv2d", both(o.stride), both(o.padding), both(o.dilation), o.groups, o.bias}, x, w);
}

}  // namespace openinfer
