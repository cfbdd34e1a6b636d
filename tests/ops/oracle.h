// SPDX-License-Identifier: Apache-2.0
// Runs the cases of an oracle package (scripts/op_oracle/README.md) on anything that runs graphs, and compares.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "openinfer/sim.h"

namespace openinfer::testing {

/// Runs one graph once: the simulator, or a backend that is held to the same oracle.
using Runner = std::function<Outputs(const Model&, const Graph&, const Inputs&)>;

/// Allowed difference; the rules are written down in scripts/op_oracle/README.md.
struct Rule {
  enum class Kind { exact, ulp, sum };
  Kind kind = Kind::exact;
  double n = 0;      // ulp: representable numbers apart; sum: c of c · eps · scale
  double floor = 0;  // ulp: or absolutely closer than this

  /// Errors: invalid_argument.
  static Rule parse(const std::string& text);
};

struct Report {
  std::int64_t cases = 0;
  std::vector<std::string> failures;  // "case 12 (y0 = exp(x0), f16) y0[3]: 0.5 instead of 0.25; ulp:1"
};

/// Every case of the package. `loosen` may widen a rule where a backend promises less than the reference.
Report check_oracle(const std::string& path, const Runner& run, const std::function<Rule(Rule)>& loosen = {});

/// The first element of `got` that `rule` forbids, or -1. Tensors of equal dtype and shape; scale f64, for sums.
std::int64_t first_difference(const Tensor& got, const Tensor& want, const Tensor& scale, const Rule& rule);

}  // namespace openinfer::testing
