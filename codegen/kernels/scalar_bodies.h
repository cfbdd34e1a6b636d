// SPDX-License-Identifier: Apache-2.0
// The bodies of scalar_functions.h, and what they share.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "openinfer/scalar_expr.h"

namespace openinfer::kernels {

ScalarExpr exp_body(const ScalarExpr& x);
ScalarExpr exp_fma_body(const ScalarExpr& x);
ScalarExpr log_body(const ScalarExpr& x);
ScalarExpr tanh_body(const ScalarExpr& x);
ScalarExpr erf_body(const ScalarExpr& x);
ScalarExpr sigmoid_body(const ScalarExpr& x);
ScalarExpr log1p_body(const ScalarExpr& x);
ScalarExpr expm1_body(const ScalarExpr& x);
ScalarExpr pow_body(const ScalarExpr& a, const ScalarExpr& b);
ScalarExpr sin_body(const ScalarExpr& x);
ScalarExpr cos_body(const ScalarExpr& x);
ScalarExpr sqrt_body(const ScalarExpr& x);
ScalarExpr rsqrt_body(const ScalarExpr& x);
ScalarExpr reciprocal_body(const ScalarExpr& x);
ScalarExpr div_body(const ScalarExpr& a, const ScalarExpr& b);
ScalarExpr fma_body(const ScalarExpr& a, const ScalarExpr& b, const ScalarExpr& c);

// f32 as bits. Constants that bits say better than digits:
inline constexpr std::uint32_t kSignBit = 0x80000000, kInfinityBits = 0x7f800000, kNanBits = 0x7fc00000;
inline ScalarExpr f32_bits(std::uint32_t bits) { return ScalarExpr::from_bits(ScalarKind::f32, bits); }
inline ScalarExpr as_int(const ScalarExpr& x) { return bit_cast(x, ScalarKind::i32); }
inline ScalarExpr as_uint(const ScalarExpr& x) { return bit_cast(x, ScalarKind::u32); }
inline ScalarExpr as_float(const ScalarExpr& bits) { return bit_cast(bits, ScalarKind::f32); }
inline ScalarExpr uint(std::uint32_t value) { return ScalarExpr::from_bits(ScalarKind::u32, value); }

/// 2^k for an i32 k in [-126, 127].
ScalarExpr power_of_two(const ScalarExpr& k);
/// x · 2^k for k in [-252, 254], rounded once.
ScalarExpr scaled(const ScalarExpr& x, const ScalarExpr& k);
/// c[0] + x · (c[1] + x · (…)).
ScalarExpr polynomial(const ScalarExpr& x, std::initializer_list<float> c);
/// |magnitude| with the sign of `sign`.
ScalarExpr with_sign_of(const ScalarExpr& magnitude, const ScalarExpr& sign);
/// The upper 12 bits of x's significand: products of two such are exact.
ScalarExpr upper_half(const ScalarExpr& x);

}  // namespace openinfer::kernels
