// SPDX-License-Identifier: Apache-2.0
// What one step of a schedule takes at most under given numbers for the symbols.
#pragma once

#include <cstdint>

#include "lib/sim/budget.h"

namespace openinfer {

struct StepBytes {
  BudgetParts parts;
  std::int64_t most_row_bytes = 0;  // of stored rows that an operator asks for at once
};
StepBytes step_bytes(const Program& program, const Schedule& schedule, const Binding& binding, int threads);

}  // namespace openinfer
