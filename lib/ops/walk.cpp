// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/walk.h"

#include <algorithm>

namespace openinfer {
namespace {

using Steps = std::array<std::int64_t, Run::kMaxOperands>;

/// One dimension of the result: its extent and how far each operand moves along it.
struct Level {
  std::int64_t extent;
  Steps step;
};

/// The operand's step along each dimension of the result: 0 where it is repeated.
std::vector<std::int64_t> steps_of(const Extents& operand, std::size_t rank) {
  std::vector<std::int64_t> steps(rank, 0);
  std::int64_t step = 1;
  for (std::size_t i = 0; i < operand.size(); ++i) {
    const std::int64_t extent = operand[operand.size() - 1 - i];
    if (extent != 1) steps[rank - 1 - i] = step;
    step *= extent;
  }
  return steps;
}

bool continues(const Level& outer, const Level& inner) {
  for (std::size_t i = 0; i < outer.step.size(); ++i)
    if (outer.step[i] != inner.step[i] * inner.extent) return false;
  return true;
}

/// The result's dimensions without those of extent 1, neighbours that every operand walks through alike made one.
std::vector<Level> levels_of(const Extents& out, std::span<const Extents> operands) {
  std::vector<std::vector<std::int64_t>> steps;
  for (const Extents& operand : operands) steps.push_back(steps_of(operand, out.size()));
  std::vector<Level> levels;  // outermost first
  for (std::size_t d = 0; d < out.size(); ++d) {
    if (out[d] == 1) continue;
    Level level{out[d], {}};
    for (std::size_t i = 0; i < operands.size(); ++i) level.step[i] = steps[i][d];
    if (!levels.empty() && continues(levels.back(), level))
      levels.back() = {levels.back().extent * level.extent, level.step};
    else
      levels.push_back(level);
  }
  if (levels.empty()) levels.push_back({1, {}});
  return levels;
}

void walk(const std::vector<Level>& levels, std::int64_t begin, std::int64_t end,
          const std::function<void(const Run&)>& f) {
  const Level& inner = levels.back();
  Run run;
  for (std::size_t i = 0; i < inner.step.size(); ++i) run.moves[i] = inner.step[i] != 0;
  for (run.out = begin; run.out < end; run.out += run.count) {
    std::int64_t rest = run.out / inner.extent;
    const std::int64_t within = run.out % inner.extent;
    run.count = std::min(inner.extent - within, end - run.out);
    for (std::size_t i = 0; i < inner.step.size(); ++i) run.start[i] = within * inner.step[i];
    for (std::size_t d = levels.size() - 1; d-- > 0; rest /= levels[d].extent)
      for (std::size_t i = 0; i < inner.step.size(); ++i) run.start[i] += rest % levels[d].extent * levels[d].step[i];
    f(run);
  }
}

}  // namespace

void for_each_run(const OpRun& run, const Extents& out, std::span<const Extents> operands,
                  const std::function<void(const Run&)>& f) {
  constexpr std::int64_t kGrain = 8192;  // elements: below that a thread costs more than it brings
  if (element_count(out) == 0) return;   // the steps between its elements may be beyond every integer
  const auto levels = levels_of(out, operands);
  run.parallel_for(element_count(out), kGrain,
                   [&](std::int64_t begin, std::int64_t end) { walk(levels, begin, end, f); });
}

}  // namespace openinfer
