// SPDX-License-Identifier: Apache-2.0
// Running error analysis of scalar expressions: what each operation makes of the errors of its operands, and adds.
#pragma once

#include <vector>

#include "codegen/check/bounded.h"
#include "openinfer/scalar_expr.h"

namespace openinfer::check {

/// e over columns of numbers, all of one length. Parameters are matched by identity. Arithmetic rounds once (unit u of
/// its kind), division and the functions of codegen/kernels within their stated ULP; the last rounding, if it is to
/// nearest, is left to the store. An operation on bits of inexact numbers has no bound.
Bounded elementwise(const ScalarExpr& e, const std::vector<ScalarExpr>& parameters,
                    const std::vector<Bounded>& columns);

}  // namespace openinfer::check
