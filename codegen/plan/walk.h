// SPDX-License-Identifier: Apache-2.0
// The dispatches of an entry point in order, numbered as plan.txt and Buffer::first number them.
#pragma once

#include <vector>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

struct PlacedDispatch {
  const Dispatch* dispatch = nullptr;
  int number = 0;
  std::vector<const Loop*> loops = {};  // around, outermost first
};

std::vector<PlacedDispatch> dispatches(const EntryPoint& entry);

}  // namespace openinfer::plan
