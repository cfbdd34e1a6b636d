// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/entry_points.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "codegen/plan/row_contract.h"
#include "lib/base/fail.h"
#include "lib/graph/ir.h"

namespace openinfer::plan {
namespace {

const DimDecl& dim_of(const GraphData& g, const std::string& symbol) {
  return *std::find_if(g.dims.begin(), g.dims.end(), [&](const DimDecl& d) { return d.name == symbol; });
}

using Bounds = std::map<std::string, std::pair<std::int64_t, std::int64_t>, std::less<>>;

/// An option that says how large a size of the caches can be.
void bound_dim(Bounds& dims, const GraphData& g, const std::string& symbol, std::string_view option,
               std::optional<std::int64_t> most, std::string_view command) {
  if (!most) return;
  if (symbol.empty())
    fail(ErrorCode::invalid_argument, "[{}] {} {}: the graph has no cache for which that is open", command, option,
         *most);
  const DimDecl& dim = dim_of(g, symbol);
  if (*most < 1) fail(ErrorCode::invalid_argument, "[{}] {} {} is less than one", command, option, *most);
  if (*most > dim.max)
    fail(ErrorCode::invalid_argument, "[{}] {} {} is beyond the graph's {} ({})", command, option, *most, dim.max,
         symbol);
  dims[symbol] = {std::min(dim.min, *most), *most};
}

void bound_symbols(Bounds& dims, const GraphData& g, const std::map<std::string, std::int64_t, std::less<>>& at_most) {
  for (const DimDecl& dim : g.dims) {
    const auto most = at_most.find(dim.name);
    if (most != at_most.end() && dim.min <= most->second && most->second <= dim.max)
      dims.try_emplace(dim.name, dim.min, most->second);
  }
}

}  // namespace

std::vector<EntrySpec> entry_points(const Graph& graph, const EntryOptions& options, std::string_view command) {
  const GraphData& g = graph.data();
  Bounds dims;
  RowContract states;
  read_states(graph, states);
  bound_dim(dims, g, states.context_symbol, "max_context", options.max_context, command);
  const bool one = options.one_sequence && !options.batch && !states.slots_symbol.empty();
  bound_dim(dims, g, states.slots_symbol, "batch", one ? std::optional<std::int64_t>(1) : options.batch, command);
  if (!options.entries.empty()) {
    std::vector<EntrySpec> given = options.entries;
    for (EntrySpec& entry : given) entry.dims.insert(dims.begin(), dims.end());  // what it says itself stays
    return given;
  }
  const auto rows = row_contract(graph);
  bound_symbols(dims, g, options.at_most);
  if (!rows) return {{"step", dims}};
  std::vector<EntrySpec> both = {{"decode", dims}, {"prefill", dims}};
  for (const std::string& symbol : {rows->rows_symbol, rows->logit_rows_symbol}) {
    const DimDecl& dim = dim_of(g, symbol);
    both[0].dims[symbol] = {dim.min, std::min(std::max(dim.min, options.batch.value_or(1)), dim.max)};
    auto& [least, most] = both[1].dims.try_emplace(symbol, dim.min, dim.max).first->second;
    most = std::min(most, options.prefill_rows.value_or(most));
  }
  return both;
}

}  // namespace openinfer::plan
