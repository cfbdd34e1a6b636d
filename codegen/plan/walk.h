// SPDX-License-Identifier: Apache-2.0
// The steps of an entry point in order: each, and the dispatches, numbered as plan.txt and Buffer::first number them.
#pragma once

#include <vector>

#include "codegen/plan/plan.h"

namespace openinfer::plan {

/// Calls `f` with each step; a loop or a branch comes before what it holds.
template <class Steps, class F>
void each_step(Steps& steps, const F& f) {
  for (auto& step : steps) {
    f(step);
    if (auto* l = std::get_if<Loop>(&step)) each_step(l->body, f);
    if (auto* b = std::get_if<Branch>(&step)) each_step(b->then, f), each_step(b->otherwise, f);
  }
}
template <class Steps, class F>
void each_dispatch(Steps& steps, const F& f) {
  each_step(steps, [&](auto& step) {
    if (auto* d = std::get_if<Dispatch>(&step)) f(*d);
  });
}

struct PlacedDispatch {
  const Dispatch* dispatch = nullptr;
  int number = 0;
  std::vector<const Loop*> loops = {};  // around, outermost first
};

std::vector<PlacedDispatch> dispatches(const EntryPoint& entry);

}  // namespace openinfer::plan
