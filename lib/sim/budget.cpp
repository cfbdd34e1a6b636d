// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/budget.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/base/fail.h"
#include "lib/graph/infer.h"
#include "lib/sim/step_bytes.h"

namespace openinfer {
namespace {

/// Symbols whose value each step's inputs tell.
std::vector<SymbolRange> open_symbols(const GraphData& g, const Binding& binding) {
  std::vector<SymbolRange> open;
  for (std::size_t i = 0; i < g.dims.size(); ++i)
    if (!binding.values()[i]) open.push_back({g.dims[i].name, g.dims[i].min, g.dims[i].max});
  return open;
}

/// An extent that open symbols stand in, and a value that has it.
struct OpenExtent {
  Dim dim;
  ValueId value = kNoValue;
};

std::vector<OpenExtent> open_extents(const GraphData& g, const Schedule& schedule, const Binding& binding) {
  std::vector<OpenExtent> open;
  for (ValueId v = 0; v < g.values.size(); ++v) {
    if (!schedule.needed[v] || g.values[v].state >= 0) continue;
    for (const Dim& dim : g.values[v].type.shape)
      if (!binding.find(dim)) open.push_back({dim, v});
  }
  return open;
}

/// The first of them that is negative; null if none is.
const OpenExtent* first_negative(const std::vector<OpenExtent>& extents, const Binding& binding) {
  const auto negative = [&](const OpenExtent& e) { return binding.value(e.dim) < 0; };
  const auto found = std::find_if(extents.begin(), extents.end(), negative);
  return found == extents.end() ? nullptr : &*found;
}

/// Raises one symbol until that extent is 0 or more; false if none has so much room.
bool raise_one(const OpenExtent& extent, std::int64_t value, std::vector<SymbolRange>& symbols) {
  for (const Dim::Term& term : extent.dim.terms())
    for (SymbolRange& s : symbols) {
      const std::int64_t more = term.factor > 0 ? (-value + term.factor - 1) / term.factor : 0;
      if (s.symbol != term.symbol || more == 0 || more > s.most - s.least) continue;
      s.least += more;
      return true;
    }
  return false;
}

/// Raises `symbols`' least values to some with which no extent is negative, the least ones if each extent has one
/// symbol. Errors: invalid_argument if it finds none.
void raise_least(const GraphData& g, const std::vector<OpenExtent>& extents, std::vector<SymbolRange>& symbols,
                 const std::function<Binding(const SymbolSizes&)>& bound) {
  constexpr int kTries = 64;
  for (int i = 0;; ++i) {
    SymbolSizes least;
    for (const SymbolRange& s : symbols) least[s.symbol] = s.least;
    const Binding binding = bound(least);
    const OpenExtent* extent = first_negative(extents, binding);
    if (!extent) return;
    if (i < kTries && raise_one(*extent, binding.value(extent->dim), symbols)) continue;
    const ValueInfo& value = g.values[extent->value];
    fail_at(value.node == kNoNode ? Location{} : g.nodes[value.node].at, ErrorCode::invalid_argument,
            "[budget] no sizes were found with which {} {} has no negative extent", describe(g, extent->value),
            value.type.to_string());
  }
}

}  // namespace

std::string to_string(const BudgetParts& parts) {
  return fmt::format("states {}, values of a step {}, weights {}", parts.states, parts.values, parts.weights);
}

void refuse_budget(std::int64_t budget, const BudgetParts& smallest, std::string_view remedy) {
  fail(ErrorCode::out_of_memory, "[budget] {} bytes are too few; the smallest memory budget that works is {} ({}){}{}",
       budget, smallest.total(), to_string(smallest), remedy.empty() ? "" : "; ", remedy);
}

SymbolSizes largest_that_fit(const std::vector<SymbolRange>& symbols, std::int64_t budget,
                             const std::function<std::int64_t(const SymbolSizes&)>& bytes) {
  SymbolSizes sizes;
  for (const SymbolRange& s : symbols) sizes[s.symbol] = s.least;
  std::vector<std::pair<std::int64_t, const SymbolRange*>> order;
  for (const SymbolRange& s : symbols) {
    SymbolSizes one = sizes;
    one[s.symbol] = s.most;
    order.emplace_back(bytes(one), &s);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // A few of each first: what is left to the last ones would else be nothing.
  for (const std::int64_t most : {std::int64_t{8}, std::numeric_limits<std::int64_t>::max() - 1})
    for (const auto& [cost, s] : order) {
      std::int64_t fits = sizes[s->symbol], beyond = std::max(fits, std::min(s->most, most)) + 1;
      while (beyond - fits > 1) {
        const std::int64_t middle = fits + (beyond - fits) / 2;
        sizes[s->symbol] = middle;
        (bytes(sizes) <= budget ? fits : beyond) = middle;
      }
      sizes[s->symbol] = fits;
    }
  return sizes;
}

Budget::Budget(std::shared_ptr<const Program> program, const std::map<std::string, std::int64_t>& dims,
               std::int64_t budget, int threads)
    : program_(std::move(program)), budget_(budget), threads_(threads) {
  const GraphData& g = program_->g();
  if (budget < 0) fail(ErrorCode::invalid_argument, "[budget] a memory budget of {} bytes", budget);
  std::vector<ValueId> outputs;
  for (const OutputDecl& output : g.outputs) outputs.push_back(output.value);
  const Schedule all = make_schedule(g, outputs, {});
  const auto bound = [&](const SymbolSizes& sizes) {
    std::map<std::string, std::int64_t> all_sizes = dims;
    for (const auto& [symbol, size] : sizes) all_sizes.insert_or_assign(symbol, size);
    return Binding(g, all_sizes);
  };
  const auto parts = [&](const SymbolSizes& sizes) { return step_bytes(*program_, all, bound(sizes), threads_).parts; };
  std::vector<SymbolRange> open = open_symbols(g, Binding(g, dims));
  const std::vector<OpenExtent> extents = open_extents(g, all, Binding(g, dims));
  raise_least(g, extents, open, bound);
  SymbolSizes least;
  for (const SymbolRange& s : open) least[s.symbol] = s.least;
  const BudgetParts smallest = parts(least);
  if (smallest.total() > budget) refuse_budget(budget, smallest);
  limits_ = largest_that_fit(open, budget, [&](const SymbolSizes& sizes) {
    const bool possible = !first_negative(extents, bound(sizes));
    return possible ? parts(sizes).total() : std::numeric_limits<std::int64_t>::max();
  });
}

void Budget::check(const std::shared_ptr<const Schedule>& schedule, const Binding& binding) {
  if (checked_schedule_ == schedule && checked_binding_ == binding.values()) return;
  const StepBytes step = step_bytes(*program_, *schedule, binding, threads_);
  if (step.parts.total() > budget_) {
    std::string limits;
    for (const auto& [symbol, most] : limits_)
      limits += fmt::format("{} {} = {}", limits.empty() ? "" : ",", symbol, most);
    fail(ErrorCode::out_of_memory, "[budget] this step takes {} bytes ({}), the memory budget is {}; what fits:{}",
         step.parts.total(), to_string(step.parts), budget_, limits);
  }
  most_row_bytes_ = step.most_row_bytes;
  checked_schedule_ = schedule;
  checked_binding_ = binding.values();
}

}  // namespace openinfer
