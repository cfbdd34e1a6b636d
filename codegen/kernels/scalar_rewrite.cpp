// SPDX-License-Identifier: Apache-2.0
#include "codegen/kernels/scalar_rewrite.h"

#include <cmath>
#include <vector>

#include "codegen/kernels/scalar_bodies.h"

namespace openinfer::kernels {

ScalarExpr ScalarRewrite::operator()(const ScalarExpr& e) {
  if (const auto found = done_.find(e.id()); found != done_.end()) return found->second;
  std::vector<ScalarExpr> operands;
  bool same = true;
  for (const ScalarExpr& o : e.operands()) {
    operands.push_back((*this)(o));
    same = same && operands.back().id() == o.id();
  }
  return done_.emplace(e.id(), change_(same ? e : e.with_operands(std::move(operands)))).first->second;
}

namespace {

/// Towards zero, saturating, NaN to 0; what is converted fits.
ScalarExpr saturated(const ScalarExpr& x, ScalarKind to) {
  const int digits = bits_of(to) - (is_signed_int(to) ? 1 : 0);
  const double end = std::ldexp(1.0, digits);  // the first number beyond; a float of either kind
  const ScalarExpr below = x <= ScalarExpr(is_signed_int(to) ? -end : -0.0), above = x >= ScalarExpr(end);
  const ScalarExpr inside = select(below || above || x != x, ScalarExpr(0), x);
  const ScalarExpr least = ScalarExpr::from_bits(to, is_signed_int(to) ? std::uint64_t{1} << digits : 0);
  return select(below, least, select(above, ~least, convert(inside, to)));
}

ScalarExpr narrow_integer(const ScalarExpr& x, int bits) {
  if (is_signed_int(x.kind())) return x << (32 - bits) >> (32 - bits);
  return x & uint((1u << bits) - 1);
}

/// The upper bits of an f32, rounded to nearest with ties to even; `dropped` bits become 0.
ScalarExpr rounded_bits(const ScalarExpr& magnitude, int dropped) {
  const ScalarExpr odd = (magnitude >> dropped) & uint(1);
  return (magnitude + uint((1u << (dropped - 1)) - 1) + odd) & uint(~((1u << dropped) - 1));
}

ScalarExpr narrow_float(const ScalarExpr& x, DType dtype) {
  const ScalarExpr magnitude = as_uint(abs(x));
  if (dtype == DType::bf16) return select(x == x, with_sign_of(as_float(rounded_bits(magnitude, 16)), x), x);
  // Below 2^-14 the unit of the last place is 2^-24, as it is for sums with 0.5.
  const ScalarExpr denormal = (abs(x) + ScalarExpr(0.5)) - ScalarExpr(0.5);
  const ScalarExpr normal =
      select(magnitude >= uint(0x477ff000), f32_bits(kInfinityBits), as_float(rounded_bits(magnitude, 13)));
  const ScalarExpr rounded = select(magnitude < uint(0x38800000), denormal, normal);
  return select(x == x, with_sign_of(rounded, x), x);
}

ScalarExpr expanded(const ScalarExpr& e) {
  if (e.op() == ScalarOp::convert && is_float(e.operands()[0].kind()) && is_int(e.kind()))
    return saturated(e.operands()[0], e.kind());
  if (e.op() != ScalarOp::narrow) return e;
  if (is_int(e.kind())) return narrow_integer(e.operands()[0], info(e.dtype()).bits);
  return narrow_float(e.operands()[0], e.dtype());
}

}  // namespace

ScalarExpr expand_conversions(const ScalarExpr& e) { return ScalarRewrite(expanded)(e); }

}  // namespace openinfer::kernels
