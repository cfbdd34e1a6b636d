// SPDX-License-Identifier: Apache-2.0
// exp, log, pow, sin … of f32 over + - * /, selections, integers and bit casts: the same bits in every language, where
// the devices' own functions promise little (Vulkan allows exp 3 + 2|x| ULP). No fma but exp_fma's, no tables, no
// library. Of f64 fma alone.
//
// What must hold of the target: + - * round to nearest and are neither contracted, reassociated nor approximated
// (C++: -ffp-contract=off; GLSL: precise; CUDA: --fmad=false). `/` is the machine's: correctly rounded on CPUs and in
// CUDA. Vulkan allows 2.5 ULP: divide_by_call replaces it. A target that flushes denormals reads them as 0 and gives 0
// where a result is below 2^-126; the bounds hold for all other arguments and results.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "openinfer/scalar_expr.h"

namespace openinfer::kernels {

struct ScalarFunction {
  std::string_view name;
  std::vector<ScalarExpr> parameters;  // f32, or all f64
  ScalarExpr body;                     // may call functions that come before it in scalar_functions()
  double ulp;                          // |body - exact| ≤ ulp units in the last place of the exact result
  std::string_view comment;            // what it computes, for the line above the rendered function
};

/// All of f32, each after those that it calls.
std::span<const ScalarFunction> scalar_functions();
/// The definition of a call of that kind by that name; null for others: those are the language's own.
const ScalarFunction* definition(std::string_view name, ScalarKind kind = ScalarKind::f32);
/// What `e` calls, directly or not, each after those that it calls itself.
std::vector<const ScalarFunction*> functions_of(const ScalarExpr& e);

/// `e` with the bodies in place of calls that have a definition.
ScalarExpr inline_calls(const ScalarExpr& e);
/// `e` with div(a, b) for a / b of f32: for targets whose division is loose.
ScalarExpr divide_by_call(const ScalarExpr& e);
/// `e` with exact_fma(a, b, c), or exact_fma_f64, for fma: for targets that may round the product.
ScalarExpr fuse_by_call(const ScalarExpr& e);
/// `e` with exp_fma(x) for exp(x): half of its time where a fused multiply-add is one instruction, other bits.
ScalarExpr exp_by_fma(const ScalarExpr& e);

}  // namespace openinfer::kernels
