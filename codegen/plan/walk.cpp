// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/walk.h"

namespace openinfer::plan {
namespace {

class Walk {
 public:
  std::vector<PlacedDispatch> run(const std::vector<Step>& steps) {
    walk(steps);
    return std::move(found_);
  }

 private:
  void walk(const std::vector<Step>& steps) {
    for (const Step& step : steps) std::visit([&](const auto& s) { visit(s); }, step);
  }
  void visit(const Dispatch& d) { found_.push_back({&d, number_++, loops_}); }
  void visit(const Copy&) { ++number_; }
  void visit(const Swap&) {}
  void visit(const Loop& l) {
    loops_.push_back(&l);
    walk(l.body);
    loops_.pop_back();
  }
  void visit(const Branch& b) {
    ++number_;
    walk(b.then);
    walk(b.otherwise);
  }

  std::vector<PlacedDispatch> found_;
  std::vector<const Loop*> loops_;
  int number_ = 0;
};

}  // namespace

std::vector<PlacedDispatch> dispatches(const EntryPoint& entry) { return Walk().run(entry.steps); }

}  // namespace openinfer::plan
