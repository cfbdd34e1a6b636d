// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <utility>

#include "codegen/plan/pipeline.h"

namespace openinfer::plan {
namespace {

/// Walks an entry's steps and counts dispatches as the memory pass does.
class EntryTaps {
 public:
  EntryTaps(Plan& plan, std::size_t entry) : plan_(plan), entry_(static_cast<int>(entry)) {
    walk(plan.entries[entry].steps);
  }

 private:
  void walk(const std::vector<Step>& steps) {
    for (const Step& step : steps) std::visit([&](const auto& s) { visit(s); }, step);
  }
  void visit(const Dispatch& d) {
    std::vector<int> earlier = std::exchange(unseen_, {});
    for (const Result& r : d.results) take_partial(r, earlier);
    for (const Result& r : d.results) plan_.taps.push_back({r, entry_, now_, d.kernels, d.variant, earlier});
    if (d.results.empty()) unseen_ = std::move(earlier);
    // A place of the kernel's own: what is wrong with it shows behind the next dispatch.
    if (writes_unseen(d)) unseen_.insert(unseen_.end(), d.kernels.begin(), d.kernels.end());
    ++now_;
  }
  void visit(const Copy&) { ++now_; }
  void visit(const Swap&) {}
  void visit(const Loop& loop) { walk(loop.body); }
  void visit(const Branch& b) {
    ++now_;
    walk(b.then);
    walk(b.otherwise);
  }

  /// Does it write anything that is no result?
  bool writes_unseen(const Dispatch& d) const {
    if (d.results.empty()) return true;
    std::size_t at = 0;
    for (const kir::Buffer& b : plan_.kernels[static_cast<std::size_t>(d.kernels.front())].code.buffers) {
      if (b.space == kir::Space::shared) continue;
      const Operand& place = d.operands[at++];
      const auto same = [&](const Result& r) { return r.place == place; };
      if (b.access != kir::Access::read && std::none_of(d.results.begin(), d.results.end(), same)) return true;
    }
    return false;
  }

  /// An earlier dispatch wrote a part of this value (concat): it is whole behind this one only.
  void take_partial(const Result& r, std::vector<int>& earlier) {
    const auto part = std::find_if(plan_.taps.begin(), plan_.taps.end(), [&](const Tap& t) {
      return t.entry == entry_ && t.result.id == r.id && t.result.place == r.place;
    });
    if (part == plan_.taps.end()) return;
    for (const auto* kernels : {&part->earlier, &part->kernels})
      std::copy_if(kernels->begin(), kernels->end(), std::back_inserter(earlier),
                   [&](int k) { return std::find(earlier.begin(), earlier.end(), k) == earlier.end(); });
    plan_.taps.erase(part);
  }

  Plan& plan_;
  int entry_;
  int now_ = 0;
  std::vector<int> unseen_;
};

}  // namespace

void add_taps(Plan& plan) {
  if (!plan.tapped) return;
  for (std::size_t e = 0; e < plan.entries.size(); ++e) EntryTaps(plan, e);
}

}  // namespace openinfer::plan
