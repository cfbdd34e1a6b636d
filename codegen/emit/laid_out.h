// SPDX-License-Identifier: Apache-2.0
// Which weights of a CPU's plan the host lays out as its steps read them (prelude/host/laid_out.h): those that lie in
// rows in the package and that kernels read in panels, if all that reads them says which panels.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/plan/plan.h"
#include "openinfer/model.h"

namespace openinfer::emit {

struct LaidOut {
  std::vector<bool> on_use;        // by buffer of the plan
  std::int64_t passing_bytes = 0;  // what a workgroup of any dispatch reads of such weights, at most
};
/// Nothing under a memory budget: its weights are laid out as they are streamed.
LaidOut laid_out(const plan::Plan& plan, const Model& model);

}  // namespace openinfer::emit
