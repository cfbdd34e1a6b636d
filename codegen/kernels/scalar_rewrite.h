// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>

#include "openinfer/scalar_expr.h"

namespace openinfer::kernels {

/// Rewrites expressions from their leaves up: `change` sees each node once, with its new operands.
class ScalarRewrite {
 public:
  explicit ScalarRewrite(std::function<ScalarExpr(const ScalarExpr&)> change) : change_(std::move(change)) {}
  ScalarExpr operator()(const ScalarExpr& e);
  void replace(const ScalarExpr& e, const ScalarExpr& by) { done_.insert_or_assign(e.id(), by); }

 private:
  std::function<ScalarExpr(const ScalarExpr&)> change_;
  std::map<const void*, ScalarExpr> done_;
};

/// What ScalarExpr has and few languages do, in operations that all have: a conversion of a float to an integer only
/// of numbers that fit it, narrow() in integers or bits. Denormal f16 need the target's f32 addition only.
ScalarExpr expand_conversions(const ScalarExpr& e);

}  // namespace openinfer::kernels
