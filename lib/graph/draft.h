// SPDX-License-Identifier: Apache-2.0
// A graph under construction: the one place where nodes are made, names given, types inferred and scopes checked.
// The builder (user code), the parser (text) and the rewriter all add nodes here, so that a rule exists once.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/graph/ir.h"

namespace openinfer {

struct Draft {
  GraphData g;
  bool built = false;

  /// An open region: the state tokens that its next node sees, by state number; kNoValue until a node asks.
  struct Scope {
    RegionId region = kTopRegion;
    std::vector<ValueId> tokens;    // current version of each state
    std::vector<int> token_states;  // states whose token is an argument here, in order of first use
  };
  std::vector<Scope> scopes;  // outermost first; the last one receives nodes

  Draft();

  // --- declarations; all throw Error(invalid_argument) for bad or repeated names ---
  Dim declare_dim(std::string_view name, std::int64_t min, std::int64_t max, Location at);
  ValueId add_input(std::string_view name, TensorType type, Location at);
  int declare_state(std::string_view name, StateSpec spec, Location at);
  /// Without a name: c0, c1, … whichever is free, and gives way to a later one of that name.
  int declare_constant(std::string_view name, Tensor tensor, Location at);
  int declare_constant(Tensor tensor, Location at);
  /// The declaration with that pattern, dtypes and shape; its ranges grow to cover `ranges`.
  int declare_weight(WeightDecl decl, Location at);
  void add_output(std::string_view name, ValueId value, Location at);

  // --- leaves: each use of a weight, constant or number is a node of its own ---
  ValueId add_weight(int decl, std::vector<ValueId> loop_indices, std::vector<Affine> index, Location at);
  ValueId add_constant(int decl, std::vector<ValueId> loop_indices, std::vector<Affine> index, Location at);
  ValueId add_literal(Number number, DType dtype, Location at);

  /// Of families whose members differ in dtype, by pattern: a member of each, for messages.
  std::map<std::string, std::string, std::less<>> mixed_families;

  // --- nodes ---
  /// Appends a node to the innermost open region. `operands` follow op.operands (kNoValue: absent); the token of
  /// `state` is added here. `names`: wanted result names, "" for a name made from the op and its weights. Returns the
  /// results without tokens.
  std::vector<ValueId> add_node(const OpDef& op, std::vector<ValueId> operands, Attributes attributes, int state,
                                hints hint, Location at, std::span<const std::string> names = {});
  /// The dtype of a number at operand `which`: that of the first other operand that shares its dtype, if this one does
  /// (f32 for a block format); else i32 for an integer and f32 for a fraction. Literals' places hold kNoValue.
  static DType literal_dtype(const OpDef& op, const GraphData& g, std::span<const ValueId> operands, std::size_t which,
                             const Number& number);
  /// Merges a hint, written at `at`, into the node that made `value`; a name in it renames the value.
  void add_hint(ValueId value, const hints& hint, Location at);

  // --- regions ---
  /// Opens a loop's body. Arguments: the index, then one value for each of `init` (of its type).
  struct OpenLoop {
    std::int64_t from = 0, to = 0;
    std::vector<ValueId> init;
    std::vector<ValueId> arguments;  // index first
    Location at;
  };
  OpenLoop begin_loop(std::string_view index_name, std::int64_t from, std::int64_t to, std::vector<ValueId> init,
                      std::span<const std::string> names, Location at);
  /// Closes it. Returns the loop's results without tokens. Errors: shape_mismatch, dtype_mismatch if a carried value
  /// leaves with another type than it entered.
  std::vector<ValueId> end_loop(OpenLoop loop, std::span<const ValueId> next);
  struct OpenCond {
    ValueId predicate = kNoValue;
    std::vector<RegionId> regions;
    std::vector<std::vector<ValueId>> results;
    std::vector<Scope> closed;
    Location at;
  };
  OpenCond begin_cond(ValueId predicate, Location at);
  void begin_branch(OpenCond& cond);  // then, and again for else
  void end_branch(OpenCond& cond, std::span<const ValueId> results);
  std::vector<ValueId> end_cond(OpenCond cond, std::span<const std::string> names);

  /// How far the graph is, for undo() of a loop or branch whose body threw: what was declared and added since goes.
  struct Mark {
    std::size_t scopes, dims, states, constants, weights, values, nodes, regions;
  };
  Mark mark() const;
  void undo(const Mark& mark);
  std::vector<Mark> undone;
  /// Throws for what a handle names that was made before the last undo() and went with it: its number names another
  /// thing by now, or none. `kind`: &Mark::values, …; `times`: undone.size() when the handle was made.
  void check_kept(std::size_t Mark::*kind, std::size_t number, std::size_t times, std::string_view op,
                  Location at) const;

  // --- queries ---
  /// Throws unless `value` may be used in the innermost open region: "'leak' lives inside a loop that has ended; …".
  void check_usable(ValueId value, std::string_view op, Location at) const;
  /// check_usable, and the value has one plain dtype: what may leave a region.
  void check_plain(ValueId value, std::string_view op, Location at) const;
  void check_open(std::string_view what, Location at) const;  // throws after build
  /// `wanted`, or wanted.1, wanted.2, … if taken.
  std::string unique_name(std::string_view wanted);
  void rename(ValueId value, std::string_view name, Location at);
  /// "'q'", "@Wq.{l}", "0.5": how errors call a value.
  std::string describe(ValueId value) const;

  /// Fills the regions' results and captures and hands the graph over. The draft is closed.
  std::shared_ptr<const GraphData> finish(Location at);

  /// [from, to) of the loop with that index, open or closed; nothing if the value is no loop's index.
  std::optional<std::pair<std::int64_t, std::int64_t>> loop_range(ValueId index) const;

 private:
  struct Name {
    int next = 1;      // the suffix to try next
    int carriers = 0;  // values that have it: a loop's result and what it carries share one
  };
  std::map<std::string, Name, std::less<>> names_;  // every taken one
  void let_go(std::string_view name);               // of one carrier
  std::string free_constant_name() const;
  std::set<std::size_t> unnamed_constants_;
  std::map<ValueId, std::pair<std::int64_t, std::int64_t>> loop_ranges_;

  ValueId new_value(std::string name, TensorType type, RegionId region, NodeId node);
  ValueId new_token(int state, RegionId region, NodeId node);
  ValueId token(int state);  // the current one of the innermost scope
  ValueId loop_twin(ValueId result) const;
  RegionId push_region();
  std::vector<TensorType> types_of(const Node& node) const;
  NodeId append(Node node);
  std::vector<ValueId> append_leaf(Node node, TensorType type, std::vector<DType> dtypes);
  std::vector<ValueId> join_tokens(NodeId node, std::span<const int> states);
  void check_name(std::string_view what, std::string_view name, Location at) const;
  void check_fresh_views(const OpDef& op, std::span<const ValueId> operands, Location at) const;
};

}  // namespace openinfer
