// SPDX-License-Identifier: Apache-2.0
// Elementwise operators on one element: all of a pointwise kernel, and the tail of others (bias, residual, silu·mul
// behind a product). The host kernel computes `given` values for a place; the tail reads its own inputs there, applies
// the operators and stores what leaves the group.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codegen/kernels/int8_rows.h"
#include "codegen/kernels/kernel_template.h"
#include "openinfer/location.h"
#include "openinfer/op_def.h"

namespace openinfer::kernels {

struct Pointwise {
  /// A tensor that is read at the result's place, broadcast.
  struct Input {
    std::string name;  // of its buffer
    DType dtype;
    std::vector<bool> moves;  // by axis of the result: false where its extent is 1 (or it lacks the axis)
  };
  /// One operator. Operands: 0 … given-1 what the kernel computed, then the inputs, then earlier steps.
  struct Step {
    std::string name;  // of the value
    ScalarFn function;
    std::vector<int> operands;
    DType dtype;       // of the result; it is computed in compute_kind(dtype) and not rounded to dtype within the group
    Location at = {};  // the user's line, for what a device does not compute
  };
  struct Output {
    std::string name;  // of its buffer
    DType dtype;
    int value;  // numbered as operands
    /// Rows of 8-bit blocks along the last axis (int8_rows.h) instead of elements: one, of kernels that say so.
    bool int8 = false;
  };
  std::vector<Extent> axes = {};  // of the result, outermost first; neighbouring axes that all inputs share are one
  std::vector<DType> given = {};  // dtypes of what the kernel computes, in compute kinds
  std::vector<Input> inputs = {};
  std::vector<Step> steps = {};
  std::vector<Output> outputs = {};  // each of the result's whole shape
};

/// Within a kernel under construction. Made early, so that its buffers come behind those of the kernel.
class PointwiseCode {
 public:
  PointwiseCode(kir::Build& k, const Pointwise& what);
  /// Computes and stores the outputs for one place: `at` is the index along each axis.
  void apply(const std::vector<kir::Val>& given, const std::vector<kir::Val>& at) const;
  /// The same but for the output in 8-bit blocks, whose element is what it returns.
  kir::Val element_of_block(const std::vector<kir::Val>& given, const std::vector<kir::Val>& at) const;
  /// Where that goes; null: there is none.
  const Int8Rows* blocks() const { return blocks_ ? &*blocks_ : nullptr; }

 private:
  kir::Val index(const std::vector<bool>& moves, const std::vector<kir::Val>& at) const;

  kir::Build& k_;
  const Pointwise& what_;  // outlives this
  std::vector<kir::Mem> inputs_, outputs_;
  std::optional<Int8Rows> blocks_;
  std::vector<kir::Val> scalars_;  // by input: of those that no axis moves, loaded once
};

/// The expression with its parameters replaced by values; scalar functions (exp, tanh, …) become calls of functions
/// defined by scalar_functions.h, under their names.
kir::Val code_of(kir::Build& k, const ScalarExpr& e, const std::vector<std::pair<std::string, kir::Val>>& parameters);

/// One of those functions by name on f32 values: exp, rsqrt, sin …; sqrt and rsqrt also on f64.
kir::Val scalar_call(kir::Build& k, std::string_view name, const std::vector<kir::Val>& arguments);

/// A whole kernel: y[i] = f(a[i], …), for any number of axes.
TemplateKernel pointwise(const kir::Target& target, std::string name, const Pointwise& what);

}  // namespace openinfer::kernels
