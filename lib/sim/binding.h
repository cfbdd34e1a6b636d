// SPDX-License-Identifier: Apache-2.0
// The numbers that a session puts in place of the graph's symbols: fixed ones from its options, those that no input
// has from their upper bounds, the others from the inputs' shapes at each step.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

class Binding {
 public:
  /// Errors: invalid_argument for a name in `dims` that the graph does not declare, or a value out of its bounds.
  Binding(const GraphData& g, const std::map<std::string, std::int64_t>& dims);

  /// Forgets what the last step's inputs bound.
  void begin_step();
  /// Makes `dim` equal to `extent`, the extent of dimension `axis` of that input. False if more than one symbol of it
  /// is unknown so far: come again. Errors: shape_mismatch with both values and who bound the symbol;
  /// invalid_argument for a value out of the symbol's bounds.
  bool unify(const Dim& dim, std::int64_t extent, std::string_view input, std::size_t axis);

  std::optional<std::int64_t> find(const Dim& dim) const;
  /// Errors: invalid_argument, naming the symbol that nothing has bound and the inputs that could.
  std::int64_t value(const Dim& dim) const;
  Extents extents(const Shape& shape) const;
  /// Keeps the current values of the symbols in `shape` for all later steps: states made with them cannot change size.
  void fix(const Shape& shape, std::string_view why);

  /// Has the symbol one value for all steps?
  bool is_fixed(std::size_t symbol) const { return fixed_[symbol].has_value(); }

  void take_fixed(const Binding& other) {  // of the same graph
    fixed_ = other.fixed_;
    fixed_source_ = other.fixed_source_;
    begin_step();
  }

  /// The values of all symbols, in the order of their declarations: compare to see whether shapes change.
  const std::vector<std::optional<std::int64_t>>& values() const { return values_; }

 private:
  std::size_t index(std::string_view symbol) const;
  std::optional<std::int64_t> symbol_value(std::string_view symbol) const;
  void check_bounds(std::size_t symbol, std::int64_t value, const std::string& source) const;
  std::string sources(const Dim& dim) const;
  [[noreturn]] void unbound(const Dim& dim) const;

  const GraphData& g_;
  std::vector<std::optional<std::int64_t>> fixed_, values_;
  std::vector<std::string> fixed_source_, source_;
};

}  // namespace openinfer
