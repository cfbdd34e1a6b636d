// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/budget.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/base/fail.h"
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
  const auto parts = [&](const SymbolSizes& sizes) {
    std::map<std::string, std::int64_t> bound = dims;
    for (const auto& [symbol, size] : sizes) bound.insert_or_assign(symbol, size);
    return step_bytes(*program_, all, Binding(g, bound), threads_).parts;
  };
  const std::vector<SymbolRange> open = open_symbols(g, Binding(g, dims));
  SymbolSizes least;
  for (const SymbolRange& s : open) least[s.symbol] = s.least;
  const BudgetParts smallest = parts(least);
  if (smallest.total() > budget) refuse_budget(budget, smallest);
  limits_ = largest_that_fit(open, budget, [&](const SymbolSizes& sizes) { return parts(sizes).total(); });
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
