// SPDX-License-Identifier: Apache-2.0
// The package tensors that a graph names, found and checked when a session is made. Names and shapes only: no tensor
// byte is read here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

/// A tensor of the package as a matrix of stored rows: all leading stored dimensions by the last one.
struct StoredTensor {
  std::string key;
  DType dtype = DType::f32;
  Extents shape;  // logical
  bool transposed = false;
  std::int64_t rows = 0;
  std::int64_t row_bytes = 0;  // 0: rows do not end on whole bytes or blocks, only all of them can be had
  std::int64_t size_bytes = 0;
  bool panels = false;  // layout panel16: rows are made when they are asked for
};

class Weights {
 public:
  /// Errors: not_found with the key and what the family has; dtype_mismatch, shape_mismatch with both sides and the
  /// key. Each with the line that names the tensor.
  explicit Weights(const GraphData& g, const std::optional<Model>& model);

  /// Number of the tensor that a weight leaf means, given the values of the loops around it.
  std::size_t member(NodeId leaf, const std::function<std::int64_t(ValueId)>& loop_index) const {
    const Leaf& table = leaves_[leaf];
    std::size_t at = 0;
    for (const Loop& loop : table.loops)
      at = at * static_cast<std::size_t>(loop.count) + static_cast<std::size_t>(loop_index(loop.index) - loop.from);
    return table.members[at];
  }
  /// All that the leaf can mean.
  const std::vector<std::uint32_t>& members(NodeId leaf) const { return leaves_[leaf].members; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }

 private:
  struct Loop {
    ValueId index = kNoValue;
    std::int64_t from = 0;
    std::int64_t count = 0;
  };
  /// Members by the values of the distinct loops that the key depends on, the last one fastest.
  struct Leaf {
    std::vector<Loop> loops;
    std::vector<std::uint32_t> members;
  };

  using Numbers = std::map<std::pair<int, std::string>, std::uint32_t>;  // of (declaration, key) in tensors_

  void resolve_region(const GraphData& g, const std::optional<Model>& model, RegionId region, Numbers& numbers);
  void resolve(const GraphData& g, const Model& model, NodeId id, Numbers& numbers);
  void check_family(const GraphData& g, const Model& model, const Node& leaf);
  static bool next_turn(const std::vector<Loop>& loops, std::vector<std::int64_t>& turn);
  std::uint32_t number(const GraphData& g, const Model& model, const Node& leaf,
                       const std::vector<std::int64_t>& indices, Numbers& numbers);

  std::vector<StoredTensor> tensors_;
  std::vector<Leaf> leaves_;  // by node; empty for other nodes
  std::set<int> checked_families_;
};

}  // namespace openinfer
