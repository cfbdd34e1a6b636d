// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "lib/ops/builtin.h"
#include "lib/ops/call.h"
#include "lib/ops/elementwise.h"
#include "openinfer/ops.h"

namespace openinfer {
namespace {

/// 2^28 · 2^(-n / 65536) for 0 ≤ n ≤ 31 · 65536, in 32 bits: u32 or an expression of that kind. The fraction is a
/// polynomial of 2^-t, 0 ≤ t < 1, fitted for the least square of relative errors, in steps of 2^-16: 7.3e-5 at most.
template <class U>
U fixed_power(const U& n) {
  const U t = n & U(0xffffu);
  U p = U(603u) - ((U(62u) * t) >> 16);
  for (const unsigned coefficient : {3624u, 15740u, 45426u, 65536u}) p = U(coefficient) - ((p * t) >> 16);
  return (p << 12) >> (n >> 16);
}

constexpr int kLeastExponent = -31 * 65536;

std::vector<TensorType> infer_fixed_exp2(const InferContext& c) {
  check_dtype(c, 0, kSigned);  // [C1]
  return {{i32, c.type(0).shape}};
}

/// Of one element of a signed dtype.
struct FixedExp2 {
  template <std::signed_integral T>
  Wrapping<std::int32_t> operator()(Wrapping<T> x) const {
    const auto clamped = std::clamp<std::int64_t>(x.value, kLeastExponent, 0);
    return Wrapping<std::int32_t>::of(fixed_power(static_cast<std::uint32_t>(-clamped)));
  }
};

void reference_fixed_exp2(OpRun& run) {
  const TensorView x = run.in(0);
  const TensorSpan y = run.out(0);
  dispatch<kSigned>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for_each_run(run, y.shape, elementwise::shapes_in<1>(run), [&](const Run& r) {
      elementwise::unary_run<T, std::int32_t, FixedExp2>(y.as<std::int32_t>(), r, x.as<T>());
    });
  });
}

Lowering lower_fixed_exp2(const InferContext&) {
  return ScalarFn([](std::span<const ScalarExpr> x) {
    const ScalarExpr clamped = min(max(x[0], ScalarExpr(kLeastExponent)), ScalarExpr(0));
    return convert(fixed_power(convert(-clamped, ScalarKind::u32)), ScalarKind::i32);
  });
}

}  // namespace

const OpDef& fixed_exp2_op() {
  static const OpDef op = {.name = "fixed_exp2",
                           .operands = {{.name = "x"}},
                           .traits = {.elementwise = true},
                           .infer = infer_fixed_exp2,
                           .reference = reference_fixed_exp2,
                           .lower = lower_fixed_exp2,
                           .cost = elementwise::cost<1>};
  return op;
}

Value fixed_exp2(const In& x) { return call(fixed_exp2_op(), {x}); }

}  // namespace openinfer
