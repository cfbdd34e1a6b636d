// SPDX-License-Identifier: Apache-2.0
// How operands that broadcast line up with a result: runs along which each operand either moves with the result or
// stands still, so that inner loops know no coordinates.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "openinfer/op_def.h"

namespace openinfer {

/// A piece of the result: elements [out, out + count), and where each operand starts; operand i is at
/// start[i] + k for the k-th element if moves[i], else always at start[i].
struct Run {
  static constexpr std::size_t kMaxOperands = 3;
  std::int64_t out = 0;
  std::int64_t count = 0;
  std::array<std::int64_t, kMaxOperands> start = {};
  std::array<bool, kMaxOperands> moves = {};
};

/// f(run) for runs that cover a result of shape `out` once, in parallel. The operands' shapes broadcast to it.
void for_each_run(const OpRun& run, const Extents& out, std::span<const Extents> operands,
                  const std::function<void(const Run&)>& f);

}  // namespace openinfer
