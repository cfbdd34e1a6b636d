// SPDX-License-Identifier: Apache-2.0
// The first plan pass: a graph that compilation_passes() went over becomes dispatches and buffers, for each entry
// point.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "codegen/kernel_ir/ir.h"
#include "codegen/plan/plan.h"
#include "openinfer/graph.h"
#include "openinfer/model.h"
#include "openinfer/sim.h"

namespace openinfer::plan {

/// A way in: bounds of symbols, narrower than the graph's. A symbol with min = max is a number in the kernels.
struct EntrySpec {
  std::string name;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>, std::less<>> dims = {};
  /// Lower upper bounds that steps and memory keep to: kernels are chosen as without them, and so compute the same
  /// bits.
  std::map<std::string, std::int64_t, std::less<>> limits = {};
};

struct PlanOptions {
  std::string name = "model";
  kir::Target target;
  Numerics numerics = Numerics::strict;
  std::vector<EntrySpec> entries = {};  // none: one, "step", with the graph's own bounds
  bool taps = false;                    // behind every dispatch, for each value it writes
};

/// The graph over that package. A graph that was parsed from text knows none, and how weights are stored decides which
/// kernels read them. Errors: not_found, dtype_mismatch, shape_mismatch where the package has not what the graph
/// declares, with the graph's line.
Graph over(const Graph& graph, const Model& model);

/// Errors: unsupported for an operator or a form that no kernel serves, with the user's line; invalid_argument for a
/// graph with weights over no package, and for an entry's unknown symbol or bounds outside the graph's.
Plan lower(const Graph& graph, const PlanOptions& options);

}  // namespace openinfer::plan
