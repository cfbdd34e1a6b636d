// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/entry_points.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "codegen/cli/row_model.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"

namespace openinfer::cli {
namespace {

const DimDecl& dim_of(const GraphData& g, const std::string& symbol) {
  return *std::find_if(g.dims.begin(), g.dims.end(), [&](const DimDecl& d) { return d.name == symbol; });
}

bool takes_rows(const Graph& graph) try { return !row_contract(graph).has_source; } catch (const Error&) {
  return false;
}

using Bounds = std::map<std::string, std::pair<std::int64_t, std::int64_t>, std::less<>>;

/// A flag that says how large a size of the caches can be.
void bound_dim(Bounds& dims, const GraphData& g, const std::string& symbol, std::string_view flag,
               std::optional<std::int64_t> most, std::string_view command) {
  if (!most) return;
  if (symbol.empty())
    fail(ErrorCode::invalid_argument, "[{}] {} {}: the graph has no cache for which that is open", command, flag,
         *most);
  const DimDecl& dim = dim_of(g, symbol);
  if (*most > dim.max)
    fail(ErrorCode::invalid_argument, "[{}] {} {} is beyond the graph's {} ({})", command, flag, *most, dim.max,
         symbol);
  dims[symbol] = {std::min(dim.min, *most), *most};
}

}  // namespace

std::vector<plan::EntrySpec> entry_points(const Graph& graph, const EntryOptions& options, std::string_view command) {
  const GraphData& g = graph.data();
  Bounds dims;
  RowContract states;
  read_states(graph, states);
  bound_dim(dims, g, states.context_symbol, "--max-context", options.max_context, command);
  const bool one = options.one_sequence && !options.batch && !states.slots_symbol.empty();
  bound_dim(dims, g, states.slots_symbol, "--batch", one ? std::optional<std::int64_t>(1) : options.batch, command);
  if (!takes_rows(graph)) return {{"step", dims}};
  std::vector<plan::EntrySpec> both = {{"decode", dims}, {"prefill", dims}};
  for (const auto& [input, type] : graph.inputs()) {
    if (input != "tok" && input != "rows") continue;
    const DimDecl& rows = dim_of(g, type.shape[0].terms()[0].symbol);
    both[0].dims[rows.name] = {rows.min, std::min(std::max(rows.min, options.batch.value_or(1)), rows.max)};
    both[1].dims[rows.name] = {rows.min, std::min<std::int64_t>(512, rows.max)};
  }
  return both;
}

}  // namespace openinfer::cli
