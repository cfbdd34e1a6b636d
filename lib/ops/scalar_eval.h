// SPDX-License-Identifier: Apache-2.0
// Scalar expressions on concrete numbers: for tests and for the interpreter of Kernel IR. Calls are std:: functions, as
// in the references; arithmetic is that of the references too (integers wrap, no contraction).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "openinfer/scalar_expr.h"

namespace openinfer {

/// An expression as straight-line code over columns of values. A value is its bit pattern, zero-extended: what
/// ScalarExpr::bits() is for constants.
class ScalarProgram {
 public:
  /// Errors: invalid_argument for a parameter of `e` that is not among `parameters` (by identity), not_found for a call
  /// of something that std:: lacks (inline it first), dtype_mismatch for a literal that never got a kind.
  ScalarProgram(const ScalarExpr& e, std::span<const ScalarExpr> parameters);

  /// out[i] = e(columns[0][i], columns[1][i], …), i < count.
  void run(std::span<const std::uint64_t* const> columns, std::uint64_t* out, std::size_t count) const;
  /// The same on one value each.
  std::uint64_t run(std::span<const std::uint64_t> values) const;

  /// How many operations a value costs: nodes, shared ones once, without parameters and constants.
  std::size_t operations() const;

  struct Step {
    ScalarExpr node;
    ScalarKind of;  // kind of the operands; of the node itself if it has none
    std::vector<std::size_t> operands;
    std::size_t column = 0;  // of a parameter
  };

 private:
  std::vector<Step> steps_;  // operands before their users; the last is the result
};

/// Element i of plain elements, loaded into compute_kind(dtype), and stored from there.
std::uint64_t load_element(DType dtype, const std::byte* elements, std::size_t i);
void store_element(DType dtype, std::byte* elements, std::size_t i, std::uint64_t bits);

}  // namespace openinfer
