// SPDX-License-Identifier: Apache-2.0
// Pooling: the windows of each spatial axis, reduced.
#include <limits>

#include "lib/base/fail.h"
#include "lib/ops/compose.h"
#include "lib/ops/dtypes.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// Over the last `size.size()` axes of (N, C, L…).
struct Pooling {
  std::string_view op;
  std::vector<std::int64_t> size, stride, padding, dilation;
  bool count_padding = false;
};

/// What no element of the dtype is below.
double lowest_element(DType dtype) {
  if (is_float(dtype)) return -std::numeric_limits<double>::infinity();
  double value = 0;
  dispatch<kNumbers>(dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    if constexpr (std::is_integral_v<T>) value = static_cast<double>(std::numeric_limits<T>::min());
  });
  return value;
}

void check_pooling(const Pooling& p, const Value& x, DTypeSet takes, Location at) {
  if (!contains(takes, x.dtype()))  // [C1]
    fail_at(at, ErrorCode::dtype_mismatch, "[{}] takes {}, not {} {}", p.op, dtype_names(takes), described(x),
            x.type().to_string());
  if (x.shape().size() != p.size.size() + 2)  // [C2]
    fail_at(at, ErrorCode::shape_mismatch, "[{}] x is {}, not {} {}", p.op,
            p.size.size() == 1 ? "(N, C, L)" : "(N, C, H, W)", described(x), to_string(x.shape()));
  for (std::size_t a = 0; a < p.size.size(); ++a)
    if (p.padding[a] < 0 || 2 * p.padding[a] > p.size[a])  // [C3]: a window of nothing but padding has no largest
      fail_at(at, ErrorCode::invalid_argument, "[{}] a padding of {} is not within 0 and half of the window, {}", p.op,
              p.padding[a], p.size[a]);
}

/// (N, C, O, K, …): the windows of x with `value` around it.
Value pooled_windows(const Pooling& p, const Value& x, double value, Location at) {
  std::vector<Padding> sides;
  for (std::size_t a = 0; a < p.size.size(); ++a)
    sides.push_back({static_cast<std::int64_t>(a) + 2, p.padding[a], p.padding[a]});
  Value seen = pad(In(x, at), sides, value);
  for (std::size_t a = 0; a < p.size.size(); ++a)
    seen = windows_along(p.op, seen, 2 + 2 * a, {p.size[a], p.stride[a] == 0 ? p.size[a] : p.stride[a], p.dilation[a]},
                         at);
  return seen;
}

/// The axes of pooled_windows that run along windows.
Over over_windows(const Pooling& p) {
  Over over;
  for (std::size_t a = 0; a < p.size.size(); ++a) over.axes.push_back(3 + 2 * static_cast<std::int64_t>(a));
  return over;
}

Value max_pooled(const Pooling& p, const In& in) {
  const Value x = value_in(p.op, in);
  check_pooling(p, x, kNumbers, in.at());
  return max(In(pooled_windows(p, x, lowest_element(x.dtype()), in.at()), in.at()), over_windows(p));
}

Value avg_pooled(const Pooling& p, const In& in) {
  const Location at = in.at();
  const Value x = value_in(p.op, in);
  check_pooling(p, x, kFloats, at);
  const Value windows = pooled_windows(p, x, 0, at);
  bool has_padding = false;
  for (const std::int64_t padding : p.padding) has_padding = has_padding || padding > 0;
  if (p.count_padding || !has_padding) return mean(In(windows, at), over_windows(p));
  const DType wide = x.dtype() == f64 ? f64 : f32;  // a sum may be beyond f16 where the mean is not
  const auto as = [&](DType dtype, const Value& v) { return v.dtype() == dtype ? v : cast(In(v, at), dtype); };
  Shape one = x.shape();  // how many elements each window has, the same for all rows and channels
  one[0] = one[1] = 1;
  const Value ones = fill_beside(x, one, 1, wide, at);
  const Value counts = sum(In(pooled_windows(p, ones, 0, at), at), over_windows(p));
  const Value sums = sum(In(as(wide, windows), at), over_windows(p));
  return as(x.dtype(), div(In(sums, at), In(counts, at)));
}

Pooling pooling_of(std::string_view op, const Pool1d& o) {
  return {op, {o.size}, {o.stride}, {o.padding}, {o.dilation}, o.count_padding};
}
Pooling pooling_of(std::string_view op, const Pool2d& o) {
  const auto both = [](const std::array<std::int64_t, 2>& a) { return std::vector<std::int64_t>(a.begin(), a.end()); };
  return {op, both(o.size), both(o.stride), both(o.padding), both(o.dilation), o.count_padding};
}

}  // namespace

Value max_pool1d(const In& x, const Pool1d& options) { return max_pooled(pooling_of("max_pool1d", options), x); }
Value max_pool2d(const In& x, const Pool2d& options) { return max_pooled(pooling_of("max_pool2d", options), x); }
Value avg_pool1d(const In& x, const Pool1d& options) { return avg_pooled(pooling_of("avg_pool1d", options), x); }
Value avg_pool2d(const In& x, const Pool2d& options) { return avg_pooled(pooling_of("avg_pool2d", options), x); }

}  // namespace openinfer
