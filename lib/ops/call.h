// SPDX-License-Identifier: Apache-2.0
// The bodies of the functions in ops.h: a node, or the pipe that will make one.
#pragma once

#include <utility>

#include "openinfer/graph.h"

namespace openinfer {

/// The one result of `op` on the operands; errors carry the first operand's line.
inline Value call(const OpDef& op, std::vector<OptionalIn> operands, Attributes attributes = {}) {
  const Location at = operands.front()->at();
  return apply(op, operands, std::move(attributes), {}, at).front();
}

/// `op` without its first operand.
inline Pipe pipe(const OpDef& op, std::vector<OptionalIn> rest = {}, Attributes attributes = {}) {
  const Location at = rest.empty() ? Location{} : rest.front()->at();
  return {.op = &op, .rest = std::move(rest), .attributes = std::move(attributes), .at = at};
}

/// A value as an operand on the line of its neighbour: for infix operators, which cannot capture a line themselves.
inline In beside(const Value& a, const In& b) { return {a, At(b.at().file, b.at().line)}; }

}  // namespace openinfer
