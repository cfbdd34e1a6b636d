// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/pipeline.h"

#include <algorithm>
#include <array>

#include "codegen/plan/print.h"
#include "lib/base/fail.h"

namespace openinfer::plan {

std::span<const PlanPass> plan_passes() {
  static constexpr std::array passes = {PlanPass{"taps", add_taps}, PlanPass{"addresses", bind_by_address},
                                        PlanPass{"memory", plan_memory}, PlanPass{"provenance", plan_provenance}};
  return passes;
}

void run_passes(Plan& plan, const std::vector<std::string>& dumped,
                const std::function<void(std::string_view, const std::string&, const std::string&)>& dump) {
  const auto passes = plan_passes();
  for (const std::string& name : dumped)
    if (name != "all" && std::none_of(passes.begin(), passes.end(), [&](const PlanPass& p) { return p.name == name; }))
      fail(ErrorCode::not_found, "[plan] no pass '{}'", name);
  for (const PlanPass& pass : passes) {
    const bool shown = dump && std::any_of(dumped.begin(), dumped.end(),
                                           [&](const std::string& name) { return name == "all" || name == pass.name; });
    const std::string before = shown ? to_text(plan) : std::string();
    pass.run(plan);
    if (shown) dump(pass.name, before, to_text(plan));
  }
}

}  // namespace openinfer::plan
