// SPDX-License-Identifier: Apache-2.0
// What a step runs: the nodes that the wanted values and the states' last versions depend on, in program order, with
// the places after which each value is dead. Made once for each set of wanted values, not once for each step.
#pragma once

#include <span>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

/// A value that enters, goes round or leaves a region.
struct Transfer {
  ValueId initial = kNoValue;   // loop: outside, what the first turn gets
  ValueId argument = kNoValue;  // loop: what the body calls it
  ValueId next = kNoValue;      // loop: what a turn hands on; cond: what the first branch returns
  ValueId other = kNoValue;     // cond: what the second branch returns
  ValueId result = kNoValue;    // outside, what is left behind; kNoValue if nobody wants it
};

struct Instruction {
  enum class Kind { weight, constant, literal, run, loop, cond };
  Kind kind = Kind::run;
  NodeId node = kNoNode;
  std::vector<Transfer> transfers;  // needed ones, tokens left out
  std::vector<ValueId> frees;       // dead after this instruction
};

struct Schedule {
  std::vector<std::vector<Instruction>> regions;
  std::vector<bool> needed;   // by value; tokens too
  std::vector<bool> escapes;  // by value: it may outlive the next write to a state, so a view of one is copied
};

/// `outputs`: values of the top region that must exist at the end; `seen`: values anywhere that must come into being.
/// The last tokens of all states are added: a step always writes.
Schedule make_schedule(const GraphData& g, std::span<const ValueId> outputs, std::span<const ValueId> seen);

}  // namespace openinfer
