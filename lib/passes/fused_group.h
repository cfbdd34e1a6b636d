// SPDX-License-Identifier: Apache-2.0
// What a fused group is: the one definition of which nodes a kernel can compute together. The fuse pass proposes groups
// and keeps those that are one; the plan reads them to choose a kernel template. The grammar is in README.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/graph/uses.h"

namespace openinfer {

struct FusedGroup {
  enum class Kind {
    elementwise,  // tail
    product,      // [norm], products (siblings over one x), tail
    reduction,    // head, tail: sum, mean, prod, max, min, argmax, argmin, softmax, rms_norm, layer_norm, gather,
                  // expert_matmul
    rope_write,   // head = kv_write, rope = its k
    attention,    // head = sdpa, read = kv_read of the cache that it looks at
    other,        // head: one node that is none of these
  };
  /// How a kernel of several products walks over them. stacked: a column belongs to one product, columns of all lie one
  /// behind the other; no tail node sees two products. zipped: equal widths, a lane has the same column of all of them.
  enum class Siblings { one, stacked, zipped };

  Kind kind = Kind::other;
  Siblings siblings = Siblings::one;
  RegionId region = kTopRegion;
  std::vector<NodeId> nodes;     // all, in order
  NodeId norm = kNoNode;         // product: rms_norm or layer_norm that makes their x
  NodeId head = kNoNode;         // reduction, rope_write, attention, other
  NodeId rope = kNoNode;         // rope_write
  NodeId read = kNoNode;         // attention: the kv_read, absent where k and v are computed
  std::vector<NodeId> products;  // product: matmul or linear, in order
  std::vector<NodeId> tail;      // elementwise nodes, in order; each reads something of the group
  int state = -1;                // the state that it reads or writes
  /// Values from outside, in order of first use, literals and tokens left out; values that are used outside, or leave
  /// the region, in order.
  std::vector<ValueId> inputs, outputs;
};

std::string_view name(FusedGroup::Kind kind);

/// The kernel that computes these nodes of one region; nothing if there is none, and in `why` the rule that they break.
/// That they can run as one (verify_groups) is not looked at here. `elementwise` says which nodes are.
using NodeTest = std::function<bool(NodeId)>;
std::optional<FusedGroup> describe_group(const GraphData& g, const Uses& uses, std::vector<NodeId> nodes,
                                         const NodeTest& elementwise, std::string* why = nullptr);
/// is_elementwise() of the graph's nodes, which looks at each once however often it is asked.
NodeTest elementwise_test(const GraphData& g);

/// The group with that number. Errors: not_found if no node has it; invalid_argument, with the rule, for a group that
/// no kernel computes (a text may say anything).
FusedGroup classify(const GraphData& g, const Uses& uses, int group);
FusedGroup classify(const GraphData& g, int group);
/// A node that belongs to no group, as a kernel of its own. Errors: invalid_argument for leaves, loops and branches.
FusedGroup classify_node(const GraphData& g, const Uses& uses, NodeId node);

/// Does one element of the result depend on that element of the operands alone, by a scalar expression (OpDef::lower)?
/// Package tensors stored in blocks, in several dtypes or perhaps transposed, which a cast may have, are not read so.
bool is_elementwise(const GraphData& g, const Node& node);
bool is_product(const Node& node);
bool is_norm(const Node& node);
/// Nodes with epilogues besides products: see Kind::reduction.
bool is_reduction(const Node& node);

/// Tensors that a group may bind: 16 storage buffers are what nearly every Vulkan device offers to one shader stage.
inline constexpr std::size_t kMostBuffers = 16;
/// Nodes of a group: far beyond any model's, so that a kernel stays a page of source.
inline constexpr std::size_t kMostFusedNodes = 64;

}  // namespace openinfer
