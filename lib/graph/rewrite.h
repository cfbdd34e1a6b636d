// SPDX-License-Identifier: Apache-2.0
// The one way in which passes change a graph: a copy through Draft, node by node in order and into nested regions, that
// a pass may leave parts out of or put others into. Names, types, tokens and captures of the copy are Draft's work.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/graph/draft.h"

namespace openinfer {

class Rewriter {
 public:
  explicit Rewriter(const GraphData& from) : from_(from), mapped_(from.values.size(), kNoValue) {}
  virtual ~Rewriter() = default;
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  /// Once. Errors: internal if something kept uses something left out.
  std::shared_ptr<const GraphData> run();

 protected:
  /// False leaves the node out: a leaf, an operator, or a loop or branch with all that is in it.
  virtual bool keep(NodeId) { return true; }
  /// False drops carried value i of a loop, or result i of a branch. Tokens are not asked about.
  virtual bool keep_result(NodeId, std::size_t) { return true; }
  /// For operators and leaves: values of the copy that stand for the node's results (tokens left out), made with
  /// draft().
  virtual std::optional<std::vector<ValueId>> replace(NodeId) { return std::nullopt; }
  /// For branches: 0 or 1 puts what that region does in the node's place.
  virtual std::optional<std::size_t> taken(NodeId) { return std::nullopt; }
  /// For loops: true leaves the body out; the results are the initial values.
  virtual bool skip(NodeId) { return false; }
  /// False leaves the declaration out; no leaf that is kept may name it.
  virtual bool keep_constant(std::size_t) { return true; }

  const GraphData& from() const { return from_; }
  Draft& draft() { return draft_; }
  /// What stands for that value of the original in the copy.
  ValueId mapped(ValueId value) const;
  std::vector<ValueId> mapped(const std::vector<ValueId>& values) const;

 private:
  void declarations();
  void region(RegionId id);
  void leaf(NodeId id);
  void operation(NodeId id);
  void loop(NodeId id);
  void cond(NodeId id);
  void inlined(NodeId id, RegionId branch);
  bool is_token(ValueId value) const { return value != kNoValue && from_.values[value].state >= 0; }
  /// The places of the node's results that are kept and no tokens.
  std::vector<std::size_t> kept_results(NodeId id);

  const GraphData& from_;
  Draft draft_;
  std::vector<ValueId> mapped_;  // value of the original -> value of the copy
  std::vector<int> constants_;   // number of a constant in the original -> in the copy; -1: left out
};

}  // namespace openinfer
