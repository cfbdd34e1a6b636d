// SPDX-License-Identifier: Apache-2.0
// Runs cells on a runner and compares them with the simulator.
#pragma once

#include <string>
#include <vector>

#include "tests/matrix/cell.h"

namespace openinfer::matrix {

/// What is wrong, one line and more for each cell that fails. Cells are packed into graphs; where a graph cannot be
/// made or run, its halves are, down to the cell at fault.
std::vector<std::string> failures_of(const std::vector<Cell>& cells, const Runner& runner);

/// Can a program for all of these be made? Nothing is run. Errors: those of the runner, but for its refusals.
bool accepts(const std::vector<const Cell*>& cells, const Runner& runner);

/// The message, "[op] … at file:line", with which the runner refuses the cell; "" if it does not, or not as it should:
/// `why` then says what happened.
std::string refusal(const Cell& cell, const Runner& runner, std::string& why);

}  // namespace openinfer::matrix
