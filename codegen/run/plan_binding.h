// SPDX-License-Identifier: Apache-2.0
// Values of a plan's symbols: what options fix, what a step's inputs say. What every executor does alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/plan/graph_facts.h"
#include "codegen/plan/plan.h"
#include "codegen/run/executor.h"
#include "openinfer/model.h"

namespace openinfer::run {

using Sizes = std::map<std::string, std::int64_t, std::less<>>;

class PlanBinding {
 public:
  /// `fixed`: symbols that inputs do not bind; of those that they do, lower upper bounds.
  /// Errors: invalid_argument for an unknown or out-of-bounds symbol.
  PlanBinding(const plan::Plan& plan, const Sizes& fixed);

  /// Inputs whose elements say where something lies, and how far that reaches: bind() then looks at each.
  void check_indices(std::vector<plan::IndexBound> bounds) { index_bounds_ = std::move(bounds); }
  /// Rows that must not be more than the slots of a cache: bind() looks at those too.
  void check_rows(std::vector<plan::RowBound> bounds) { row_bounds_ = std::move(bounds); }
  /// The entry point that bind() takes where inputs fit several.
  void prefer(std::string_view entry) { preferred_ = entry; }
  /// Checks a step's inputs, takes sizes from them, and gives the entry point that they fit.
  std::size_t bind(const Tensors& inputs);
  /// Sizes with which an entry point can be prepared: what is fixed, else the largest that it takes.
  void prepare(std::size_t entry);

  std::int64_t value(const plan::Size& size) const;
  void set(const std::string& symbol, std::int64_t value) { symbols_.insert_or_assign(symbol, value); }
  const Sizes& symbols() const { return symbols_; }
  /// May steps through this entry point differ in size?
  bool varies(std::size_t entry) const;
  std::int64_t bytes(const plan::Buffer& buffer) const;  // with the sizes of now
  Extents shape(const plan::Buffer& buffer) const;
  /// Which member of a family, last {} fastest.
  std::size_t member(const plan::Operand& operand) const;
  std::int64_t groups(const plan::Dispatch& dispatch) const;

 private:
  std::optional<std::size_t> entry_of(const Sizes& given) const;
  void check_rows(const Sizes& given) const;
  void check_indices(const Tensors& inputs) const;

  const plan::Plan& plan_;
  std::vector<plan::IndexBound> index_bounds_;
  std::vector<plan::RowBound> row_bounds_;
  std::string preferred_;
  Sizes most_;     // of every symbol
  Sizes symbols_;  // of this step, loop indices included
};

}  // namespace openinfer::run
