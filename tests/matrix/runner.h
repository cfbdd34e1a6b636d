// SPDX-License-Identifier: Apache-2.0
// What cells run on. One more device is one more Runner: the cells, the bounds and the comparison stay.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/sim.h"

namespace openinfer::matrix {

/// A graph made ready for a device; states live from step to step.
class Program {
 public:
  virtual ~Program() = default;
  virtual Outputs step(const Inputs& inputs) = 0;
};

/// What arithmetic of a device is beyond single roundings of IEEE 754; bounds of cells follow it.
struct Promise {
  bool exact_division = true;  // of f32; else within 1 ULP
  bool denormals = true;       // else both operands and results of f32 may count as 0
};

struct Runner {
  std::string name;
  Promise promise;
  /// Errors: unsupported, with the user's line, for what no kernel serves.
  std::function<std::unique_ptr<Program>(const Model& model, const Graph& graph)> make;
};

/// The simulator's counterpart on that backend; nothing where this machine has none: the test says so.
std::optional<Runner> runner_of(Backend backend);

}  // namespace openinfer::matrix
