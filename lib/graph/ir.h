// SPDX-License-Identifier: Apache-2.0
// The finished graph as data: declarations, values, nodes and regions, each in one array and named by its number.
// Written by the builder (draft.h) and the rewriter, checked by verify.h, read by everything behind them.
//
// Weights, constants and literals are leaf nodes without operands other than loop indices; the text prints them in
// place. A state's version is a value (a token) that writers consume and produce: order is data flow.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "openinfer/graph.h"
#include "openinfer/op_def.h"

namespace openinfer {

using NodeId = std::uint32_t;
using RegionId = std::uint32_t;
inline constexpr NodeId kNoNode = ~NodeId{0};
inline constexpr RegionId kTopRegion = 0;

struct DimDecl {
  std::string name;
  std::int64_t min = 0;
  std::int64_t max = 0;
  bool operator==(const DimDecl&) const = default;
};

/// A package tensor or a family of them. `ranges[i]` is the half-open range of the i-th {} of the pattern.
struct WeightDecl {
  std::string pattern;  // "Wq.{}"
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  std::vector<DType> dtypes;  // sorted, without repeats; more than one only in a family
  Shape shape;                // logical; constants
};

struct StateDecl {
  std::string name;
  StateSpec spec;
};

struct ConstantDecl {
  std::string name;
  Tensor tensor;
};

struct OutputDecl {
  std::string name;
  ValueId value = kNoValue;
};

/// scale·operand + offset of a leaf's loop-index operand.
struct Affine {
  std::int64_t scale = 1;
  std::int64_t offset = 0;
  bool operator==(const Affine&) const = default;
};

struct ValueInfo {
  std::string name;              // unique in the graph, but for what loops carry (loop_names.h); "" only for leaves
  TensorType type;               // of a token: unused
  int state = -1;                // ≥ 0: a token of that state
  NodeId node = kNoNode;         // the producer; kNoNode for a region's argument
  RegionId region = kTopRegion;  // where it is defined
  /// Only in family leaves: the dtypes that members may have (type.dtype is the first of them).
  std::vector<DType> dtypes;
};

/// May a loop carry it, a branch return it, a graph put it out? Not what is stored in blocks or in several dtypes.
inline bool is_plain(const ValueInfo& v) { return v.dtypes.size() <= 1 && info(v.type.dtype).block_size == 1; }

struct Node {
  const OpDef* op = nullptr;
  std::vector<ValueId> operands = {};  // by op->operands (kNoValue: absent); a state op's token comes last
  Attributes attributes = {};
  std::vector<ValueId> results = {};   // a state writer's new token comes last
  std::vector<RegionId> regions = {};  // loop: body; cond: then, else
  int decl = -1;                       // leaf: the weight or constant
  std::vector<Affine> index = {};      // leaf: one per operand; of #table[3] just {0, 3}
  Number literal = {};                 // leaf `literal`
  hints hint = {};
  Location at = {};
  /// ≥ 0: nodes of a region with the same number are computed by one kernel; numbers are unique in the graph. Set by
  /// the fuse pass on operators only; -1: a kernel of its own.
  int fused = -1;
};

/// The attribute as given, or its fallback. Errors: internal for one that the operator does not declare.
const Attribute& attribute_or_fallback(const OpDef& op, const Attributes& attributes, std::string_view name);
inline const Attribute& attribute_or_fallback(const Node& n, std::string_view name) {
  return attribute_or_fallback(*n.op, n.attributes, name);
}

/// A sequence of nodes. Arguments: of the top region the inputs and then the states' first tokens; of a loop's body
/// the index (i32), the carried values and the carried tokens; of a branch the tokens.
/// Results: of the top region the outputs and the last tokens; of a body what the next turn gets; of a branch its
/// values and tokens.
struct Region {
  std::vector<ValueId> arguments;
  std::vector<NodeId> nodes;  // in order
  std::vector<ValueId> results;
  std::vector<ValueId> captures;  // values of outer regions used in here or deeper, sorted
  RegionId parent = kTopRegion;
  NodeId owner = kNoNode;
};

struct GraphData {
  std::vector<DimDecl> dims;
  std::vector<WeightDecl> weights;
  std::vector<StateDecl> states;
  std::vector<ConstantDecl> constants;
  std::vector<std::string> inputs;  // names of the top region's first arguments
  std::vector<OutputDecl> outputs;
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  std::vector<Region> regions;
  /// Storage of the Locations of a parsed graph; first the text itself, whose lines to_text does not repeat.
  std::shared_ptr<const std::vector<std::string>> files;
  std::optional<Model> model;  // what it was built over, if anything

  const Region& top() const { return regions[kTopRegion]; }
};

// The operators that are structure rather than mathematics; defined in lib/graph/structure.cpp.
const OpDef& weight_op();    // @key
const OpDef& constant_op();  // #name or #name[l]
const OpDef& literal_op();   // 0.5
const OpDef& loop_op();      // attributes from, to
const OpDef& cond_op();      // operand 0: the predicate
/// Of a value that shows a state's memory, a kv_read's or one of other shape: the kv_read's. kNoValue for others.
ValueId shown_view(const GraphData& g, ValueId v);
inline bool is_leaf(const Node& n) { return n.op == &weight_op() || n.op == &constant_op() || n.op == &literal_op(); }

}  // namespace openinfer
