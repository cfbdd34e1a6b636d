// SPDX-License-Identifier: Apache-2.0
// openinfer cost: what is reckoned, and how it is said.
#pragma once

#include <string>

#include "codegen/plan/cost.h"
#include "lib/base/device.h"

namespace openinfer::cli {

struct CostReport {
  std::string model, graph, numerics;  // paths and names as the user gave them
  Device device;
  plan::Peaks peaks;
  plan::Cost cost;
};

std::string cost_text(const CostReport& report);
std::string cost_json(const CostReport& report);
/// One page that needs nothing else: a roofline and a table of each entry point.
std::string cost_html(const CostReport& report);

}  // namespace openinfer::cli
