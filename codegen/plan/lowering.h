// SPDX-License-Identifier: Apache-2.0
// From a verified, fused graph to dispatches: lower.cpp walks regions and schedules; for each node or fused group it
// asks the function that lower_table.cpp names for its KernelRequest, which describes the work to a template of
// codegen/kernels and binds the kernel's buffers to values by name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernels/block_code.h"
#include "codegen/kernels/kernel_template.h"
#include "codegen/plan/plan.h"
#include "lib/graph/ir.h"
#include "lib/passes/fused_group.h"
#include "openinfer/sim.h"

namespace openinfer::plan {

/// How rows of activations lie for products, besides as they are: int8 and bf16 of numerics bf16 and fast.
enum class RowForm : std::uint8_t {
  int8,   // 8-bit blocks (kernels/int8_rows.h)
  bf16,   // rounded, with room behind them (kernels/apart_rows.h)
  apart,  // f32 as they are, with room behind each (the same)
};
/// In names of buffers and kernels: "int8", "bf16", "apart".
std::string_view name(RowForm form);

/// One group of nodes on its way to dispatches. Values are those of the graph.
class GroupLowering {
 public:
  virtual ~GroupLowering() = default;
  virtual const GraphData& graph() const = 0;
  virtual const kir::Target& target() const = 0;
  /// strict: as exact as the target computes; bf16: both operands of products of several rows may be rounded to bf16;
  /// fast: activations to 8 bits as well.
  virtual Numerics numerics() const = 0;
  /// What is computed: a node alone is a group of one.
  virtual const FusedGroup& group() const = 0;
  const Node& node(NodeId id) const { return graph().nodes[id]; }
  const TensorType& type(ValueId value) const { return graph().values[value].type; }
  /// The attribute as given or its fallback.
  const Attribute& attribute(const Node& node, std::string_view name) const;

  /// Is the value used outside of this group (or put out by the region)? If not it needs no memory.
  bool escapes(ValueId value) const;
  /// Where a value is. For results of this group: where it shall be. Views (reshape, kv_read) are places in others.
  virtual Operand operand(ValueId value) = 0;
  /// The value's dtype; of a family whose members differ the one of the variant at hand: the function is called once
  /// for each signature of dtypes and must make the same dispatches but for their kernels.
  virtual DType dtype(ValueId value) const = 0;
  /// Does the weight lie transposed to its logical shape?
  virtual bool transposed(ValueId value) const = 0;
  /// Is the value an affine one that all its readers take from what is stored, so that it is nowhere itself?
  virtual bool is_read_through(ValueId value) const = 0;
  /// How the weight lies when kernels read it (layout.h); rows for all other values.
  virtual kernels::Layout layout(ValueId value) const = 0;
  /// The value as an affine expression: an integer literal, a loop's index, sums and products of those.
  /// Nothing for values in memory.
  virtual std::optional<Dim> scalar(ValueId value) const = 0;
  /// The least and the greatest that an affine expression can be.
  virtual std::pair<std::int64_t, std::int64_t> range(const Dim& dim) const = 0;
  /// The number that a literal is, as its author wrote it.
  virtual std::optional<Number> number(ValueId value) const = 0;

  /// A size for templates: known, or a parameter that this dispatch will be given.
  virtual kernels::Extent extent(const Dim& dim) = 0;
  virtual kernels::Extent extent(const Size& size) = 0;

  /// Adds a dispatch; `bind` names each global buffer of the kernel. A kernel that is there already is shared.
  virtual void dispatch(kernels::TemplateKernel kernel, const std::map<std::string, Operand>& bind) = 0;
  /// The value is the elements of another place: no dispatch (reshape, kv_read).
  virtual void alias(ValueId value, Operand place) = 0;
  virtual void copy(Operand from, Operand to, Size elements) = 0;
  /// Lowers one node of the group as a kernel of its own, its results in memory: for what a template cannot take along.
  virtual void lower_alone(NodeId node) = 0;
  /// The next dispatches do not compute these nodes of the group, which have kernels of their own.
  virtual void leave_out(const std::vector<NodeId>& nodes) = 0;
  /// A new buffer in the arena, alive for this group's dispatches.
  virtual Operand scratch(std::string_view name, DType dtype, Shape shape) = 0;
  /// Where the rows of a value are in that form: the same place for all that read them in this region, and a dispatch
  /// of their own unless the one that computes the value made them.
  virtual Operand rows_in(RowForm form, ValueId value) = 0;
  /// For who computes the value: the place of its rows in that form if somebody asked for them before; from now on they
  /// are there.
  virtual std::optional<Operand> rows_wanted_in(RowForm form, ValueId value) = 0;
  /// Asks for them.
  virtual void want_rows_in(RowForm form, ValueId value) = 0;
  /// For who computes the value and would rather leave its rows in that form: their place, if all that read the value
  /// take it so. The value itself is nowhere then.
  virtual std::optional<Operand> rows_instead_in(RowForm form, ValueId value) = 0;
  /// The product multiplies rows in that form, int8 or bf16, not the activations: a fact that checks must know.
  virtual void note_rows_in(RowForm form, NodeId product) = 0;
  /// Of attention so noted: its scores multiply operands that were rounded once.
  virtual void note_rounded_scores(NodeId attention) = 0;
  /// Numbers that a kernel wants in memory, known now: shared by name, which says what they are.
  virtual Operand constant(std::string_view name, Tensor numbers) = 0;
  /// The state's tensors: keys and values, or the one tensor.
  virtual std::vector<Operand> state(int state) = 0;

  /// Throws Error(unsupported) "[op] … at the user's line".
  [[noreturn]] void unsupported(const Node& node, const std::string& why) const;
};

using LowerFunction = void (*)(GroupLowering&);
/// "pointwise" for elementwise groups, "product" for products, "rope_write" and "attention" for groups of these kinds,
/// else what the head's OpDef::lower requests ("softmax"); null: no kernel.
LowerFunction lower_function(std::string_view kernel);

}  // namespace openinfer::plan
