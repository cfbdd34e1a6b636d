// SPDX-License-Identifier: Apache-2.0
// A session's memory budget: what a step can take at most, reckoned from shapes before anything runs. Counted are
// states, inputs, values while they live (schedule.h), outputs (those of the step before too, which its caller may
// hold), weights that operators want dense, what threads read of the others at once, and operators' workspaces.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sim/binding.h"
#include "lib/sim/program.h"
#include "lib/sim/schedule.h"

namespace openinfer {

/// What of the budget goes where.
struct BudgetParts {
  std::int64_t states = 0, values = 0, weights = 0;
  std::int64_t total() const { return states + values + weights; }
};
/// "states 11796480, values 410624, weights 98304"
std::string to_string(const BudgetParts& parts);
/// Throws out_of_memory: the budget, the smallest that works, what takes it. `remedy` may be empty.
[[noreturn]] void refuse_budget(std::int64_t budget, const BudgetParts& smallest, std::string_view remedy = {});

using SymbolSizes = std::map<std::string, std::int64_t>;
struct SymbolRange {
  std::string symbol;
  std::int64_t least = 0, most = 0;
};
/// Starts from the least of each, which fits, and lets one after another grow as far as `bytes` (which grows with each)
/// stays within the budget: each to eight, then to its most; first the one that costs least at its most.
SymbolSizes largest_that_fit(const std::vector<SymbolRange>& symbols, std::int64_t budget,
                             const std::function<std::int64_t(const SymbolSizes&)>& bytes);

class Budget {
 public:
  /// `dims`: the session's. Errors: out_of_memory if the smallest steps do not fit.
  Budget(std::shared_ptr<const Program> program, const std::map<std::string, std::int64_t>& dims, std::int64_t budget,
         int threads);

  /// Before a step: errors out_of_memory if it does not fit.
  void check(const std::shared_ptr<const Schedule>& schedule, const Binding& binding);
  /// Of the symbols that inputs bind.
  const SymbolSizes& limits() const { return limits_; }
  /// Bytes of stored rows that the operators of the step that was checked may ask for at once.
  std::int64_t most_row_bytes() const { return most_row_bytes_; }

 private:
  std::shared_ptr<const Program> program_;
  std::int64_t budget_;
  int threads_;
  SymbolSizes limits_;
  std::int64_t most_row_bytes_ = 0;
  std::shared_ptr<const Schedule> checked_schedule_;  // with these numbers it is known to fit
  std::vector<std::optional<std::int64_t>> checked_binding_;
};

}  // namespace openinfer
