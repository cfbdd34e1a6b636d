// SPDX-License-Identifier: Apache-2.0
// One operator on concrete tensors, without graph or session: weights in any stored form, states, any cut of
// parallel_for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "openinfer/op_def.h"

namespace openinfer::testing {

/// An operand: a tensor, or nothing for an absent one. A weight says whether its bytes are stored transposed; then
/// `tensor` has the stored shape and the operator sees the last two dimensions swapped.
struct Operand {
  std::optional<Tensor> tensor;
  bool transposed = false;

  Operand() = default;
  Operand(Tensor t, bool stored_transposed = false) : tensor(std::move(t)), transposed(stored_transposed) {}
  TensorView view() const;
};

/// The state of a run: what a session would keep.
struct TestState {
  StateSpec spec;
  std::vector<Tensor> tensors;
  explicit TestState(StateSpec state_spec);
};

struct SingleOp {
  const OpDef& op;
  std::vector<Operand> operands = {};
  Attributes attributes = {};
  TestState* state = nullptr;
  std::int64_t chunk = 0;  // parallel_for's ranges are this long; 0: one range

  /// Infers the types of the results, then runs the reference. Views of a state come back as copies.
  std::vector<Tensor> run() const;
  Tensor run_one() const { return run().at(0); }
  /// What code generators get. Errors: those of `infer`.
  Lowering lower() const;
};

}  // namespace openinfer::testing
