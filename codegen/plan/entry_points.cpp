// SPDX-License-Identifier: Apache-2.0
#include "codegen/plan/entry_points.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "codegen/plan/graph_facts.h"
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

std::vector<EntrySpec> ways_in(const Graph& graph, const EntryOptions& options, std::string_view command) {
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

/// Raises what the entry point takes of a symbol at least. Errors: invalid_argument where the extent is always too
/// small, unsupported where no symbol alone decides.
void keep_extent(EntrySpec& entry, const GraphData& g, const ExtentBound& bound) {
  const auto range_of = [&](const std::string& symbol) {
    const auto narrowed = entry.dims.find(symbol);
    return narrowed != entry.dims.end() ? narrowed->second : std::pair(dim_of(g, symbol).min, dim_of(g, symbol).max);
  };
  std::int64_t least = bound.extent.constant(), most = least;
  for (const Dim::Term& t : bound.extent.terms()) {
    const auto [from, to] = range_of(t.symbol);
    least += t.factor * (t.factor > 0 ? from : to);
    most += t.factor * (t.factor > 0 ? to : from);
  }
  if (least >= bound.least) return;
  if (most < bound.least)
    fail_at(bound.at, ErrorCode::invalid_argument, "{} {}: entry point {} has at most {}, and {} are needed",
            bound.what, bound.extent.to_string(), entry.name, most, bound.least);
  const auto& terms = bound.extent.terms();
  if (terms.size() != 1 || terms[0].factor < 0)
    fail_at(bound.at, ErrorCode::unsupported,
            "{} {}: entry point {} may have {}, and {} are needed; bound the dimensions higher from below", bound.what,
            bound.extent.to_string(), entry.name, least, bound.least);
  const std::int64_t factor = terms[0].factor;
  auto& range = entry.dims[terms[0].symbol] = range_of(terms[0].symbol);
  range.first = (bound.least - bound.extent.constant() + factor - 1) / factor;
}

}  // namespace

std::vector<EntrySpec> entry_points(const Graph& graph, const EntryOptions& options, std::string_view command) {
  std::vector<EntrySpec> entries = ways_in(graph, options, command);
  for (const ExtentBound& bound : extent_bounds(graph.data()))
    for (EntrySpec& entry : entries) keep_extent(entry, graph.data(), bound);
  return entries;
}

}  // namespace openinfer::plan
