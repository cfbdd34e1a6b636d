// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "codegen/plan/pipeline.h"

namespace openinfer::plan {
namespace {

/// A value may have no elements; a buffer that a GPU's kernel is given may not.
constexpr std::int64_t kLeastBytes = 4;

/// First and last use of each buffer, in dispatches counted through the program text once.
class Lifetimes {
 public:
  struct Life {
    int first = 0, last = 0;
  };

  explicit Lifetimes(const std::vector<Step>& steps) {
    walk(steps);
    // Which memory a carried value ends in depends on the number of turns: both places live as long as either name.
    for (const auto& [a, b] : swaps_) {
      const Life both = {std::min(lives_[a].first, lives_[b].first), std::max(lives_[a].last, lives_[b].last)};
      lives_[a] = lives_[b] = both;
    }
  }
  const std::map<int, Life>& lives() const { return lives_; }

 private:
  void use(int buffer) {
    const auto [life, added] = lives_.emplace(buffer, Life{now_, now_});
    if (!added) life->second.last = now_;
    for (std::set<int>& touched : loops_) touched.insert(buffer);
  }
  void walk(const std::vector<Step>& steps) {
    for (const Step& step : steps) std::visit([&](const auto& s) { visit(s); }, step);
  }
  void visit(const Dispatch& d) {
    for (const Operand& o : d.operands) use(o.buffer);
    ++now_;
  }
  void visit(const Copy& c) {
    use(c.from.buffer);
    use(c.to.buffer);
    ++now_;
  }
  void visit(const Swap& s) {
    use(s.a);
    use(s.b);
    swaps_.emplace_back(s.a, s.b);
  }
  void visit(const Loop& loop) {
    const int start = now_;
    loops_.emplace_back();
    walk(loop.body);
    const std::set<int> touched = std::move(loops_.back());
    loops_.pop_back();
    const int end = std::max(start, now_ - 1);
    for (const int b : touched) {
      // What came from before the loop is read again in the next turn; so is what it carries.
      const bool carried =
          std::any_of(swaps_.begin(), swaps_.end(), [&](const auto& s) { return s.first == b || s.second == b; });
      if (lives_[b].first >= start && !carried) continue;
      lives_[b].first = std::min(lives_[b].first, start);
      lives_[b].last = std::max(lives_[b].last, end);
    }
  }
  void visit(const Branch& b) {
    use(b.predicate.buffer);
    ++now_;
    walk(b.then);
    walk(b.otherwise);
  }

  std::map<int, Life> lives_;
  std::vector<std::pair<int, int>> swaps_;
  std::vector<std::set<int>> loops_;  // buffers touched in the loops around
  int now_ = 0;
};

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// The lowest place at which `b` overlaps none of those placed that live at the same time.
std::int64_t first_fit(const Buffer& b, const std::vector<const Buffer*>& placed) {
  std::vector<std::pair<std::int64_t, std::int64_t>> taken;
  for (const Buffer* other : placed)
    if (other->first <= b.last && b.first <= other->last)
      taken.emplace_back(other->offset, other->offset + aligned(other->max_bytes));
  std::sort(taken.begin(), taken.end());
  std::int64_t offset = 0;
  for (const auto& [from, to] : taken) {
    if (offset + aligned(b.max_bytes) <= from) break;
    offset = std::max(offset, to);
  }
  return offset;
}

}  // namespace

void plan_memory(Plan& plan) {
  for (std::size_t e = 0; e < plan.entries.size(); ++e) {
    std::vector<Buffer*> scratch;
    const Lifetimes lifetimes(plan.entries[e].steps);
    for (const auto& [number, life] : lifetimes.lives()) {
      Buffer& b = plan.buffers[static_cast<std::size_t>(number)];
      if (b.role != Role::scratch) continue;
      b.max_bytes = std::max(b.max_bytes, kLeastBytes);
      b.first = life.first;
      b.last = life.last;
      scratch.push_back(&b);
    }
    std::stable_sort(scratch.begin(), scratch.end(),
                     [](const Buffer* a, const Buffer* b) { return a->max_bytes > b->max_bytes; });
    std::vector<const Buffer*> placed;
    std::int64_t end = 0;
    for (Buffer* b : scratch) {
      b->offset = first_fit(*b, placed);
      end = std::max(end, b->offset + aligned(b->max_bytes));
      placed.push_back(b);
    }
    plan.entries[e].arena_bytes = end;
  }
}

}  // namespace openinfer::plan
