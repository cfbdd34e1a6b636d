// SPDX-License-Identifier: Apache-2.0
// The state of lowering one entry point: where values are, and the steps made so far.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "codegen/plan/graph_facts.h"
#include "codegen/plan/layout.h"
#include "codegen/plan/lower.h"
#include "codegen/plan/lowering.h"

namespace openinfer::plan {

class EntryLowering final : public GroupLowering {
 public:
  EntryLowering(const GraphData& g, const PlanOptions& options, const std::vector<LayoutChoice>& layouts,
                const EntrySpec& entry, Plan& plan);

  EntryPoint run();

  // What the functions of operators see.
  const GraphData& graph() const override { return g_; }
  const kir::Target& target() const override { return plain_ ? plain_target_ : options_.target; }
  Numerics numerics() const override { return plain_ ? Numerics::strict : options_.numerics; }
  const FusedGroup& group() const override { return group_; }
  Operand operand(ValueId value) override;
  DType dtype(ValueId value) const override;
  bool transposed(ValueId value) const override;
  bool is_read_through(ValueId value) const override;
  kernels::Layout layout(ValueId value) const override;
  std::optional<Dim> scalar(ValueId value) const override;
  std::pair<std::int64_t, std::int64_t> range(const Dim& dim) const override;
  std::optional<Number> number(ValueId value) const override;
  kernels::Extent extent(const Dim& dim) override { return extent(Size(dim)); }
  kernels::Extent extent(const Size& size) override;
  void dispatch(kernels::TemplateKernel kernel, const std::map<std::string, Operand>& bind) override;
  void alias(ValueId value, Operand place) override { places_[value] = std::move(place); }
  void copy(Operand from, Operand to, Size elements) override;
  void lower_alone(NodeId node) override;
  void leave_out(const std::vector<NodeId>& nodes) override { left_out_.insert(nodes.begin(), nodes.end()); }
  Operand scratch(std::string_view name, DType dtype, Shape shape) override;
  Operand rows_in(RowForm form, ValueId value) override;
  std::optional<Operand> rows_wanted_in(RowForm form, ValueId value) override;
  void want_rows_in(RowForm form, ValueId value) override { rows_wanted_.insert({form, value}); }
  std::optional<Operand> rows_instead_in(RowForm form, ValueId value) override;
  void note_rows_in(RowForm form, NodeId product) override {
    (form == RowForm::int8 ? int8_products_ : bf16_products_).insert(g_.nodes[product].results[0]);
  }
  void note_rounded_scores(NodeId attention) override { bf16_scores_.insert(g_.nodes[attention].results[0]); }
  Operand constant(std::string_view name, Tensor numbers) override;
  std::vector<Operand> state(int state) override;

 private:
  /// What is scheduled as one: a fused group, an operator, a loop or a branch.
  using Item = FusedGroup;
  struct LoopRange {
    std::string symbol;
    std::int64_t from = 0, to = 0;
  };

  // --- regions (entry_regions.cpp) ---
  void keep_rows_to_slots(const RowBound& bound);
  void region(RegionId id);
  Operand place_of_rows(RowForm form, ValueId value);
  /// Counts, for who computes them, readers of values that take rows in another form.
  void look_ahead(const std::vector<Item>& items);
  std::vector<Item> items(RegionId id) const;
  std::vector<std::set<std::size_t>> dependencies(const std::vector<Item>& items) const;
  void lower_item(const Item& item);
  /// Nothing but arithmetic on loop indices that nobody wants anywhere: readers have it as a number.
  bool is_number(const Item& item) const;
  std::string kernel_of(const Item& item) const;
  void lower_group(const Item& item);
  /// Weights that lie transposed, for operators that do not look how: a copy in their logical order, for this group.
  void turn_weights(const Item& item, std::string_view kernel);
  void turn_weight(ValueId value);
  void lower_variants(const Item& item, const std::vector<std::map<ValueId, DType>>& signatures,
                      std::vector<std::uint8_t> variant);
  /// The group's steps with a kernel for each signature; nothing where they differ in more than their kernels.
  std::optional<std::vector<Step>> steps_of_all(const Item& item, const std::string& kernel,
                                                const std::vector<std::map<ValueId, DType>>& signatures);
  void lower_loop(const Node& node);
  void lower_cond(const Node& node);
  void reserve_results(RegionId id);
  /// A value of the region that a kernel of its own computes into fresh memory, and that has no place yet.
  bool may_place(ValueId value, RegionId region) const;
  std::size_t uses(ValueId value) const { return uses_[value]; }
  std::vector<Step> steps_of(const std::function<void()>& f);

  // --- places (entry_places.cpp) ---
  Dim reduced(const Dim& dim) const;  // symbols that this entry fixes replaced by their number
  Size reduced(const Size& size) const;
  Shape reduced(const Shape& shape) const;
  std::int64_t upper(const Size& size) const;              // within the entry's limits
  std::int64_t upper_for_kernels(const Size& size) const;  // without
  std::int64_t limited(const std::string& symbol, std::int64_t most) const;
  int new_buffer(Buffer buffer);
  Operand new_scratch(ValueId value, std::string_view name);
  Operand leaf(ValueId value);
  int weight_buffer(int decl, bool transposed);
  int constant_buffer(int decl);
  Operand literal_buffer(const Node& node, ValueId value);
  Operand index_in_memory(ValueId value);
  std::optional<Dim> affine(const Node& node) const;
  std::vector<Dim> members(const Node& leaf) const;
  std::string key(const Node& leaf, const std::vector<std::int64_t>& turn) const;
  std::string unique(std::string_view wanted);
  int kernel_number(kir::Kernel code);
  /// The group's values, and tokens of its states, that the kernel writes.
  std::vector<Result> results_of(const kir::Kernel& code, const std::vector<Operand>& operands) const;
  std::optional<Result> result_at(const Operand& place) const;

  // --- what kernels can count (entry_counts.cpp) ---
  /// Errors: unsupported for more elements, or blocks, than kernels count: of an operand from where it starts.
  void check_reach(const Operand& operand) const;
  void check_count(const std::string& what, std::int64_t units, std::string_view remedy = {}) const;
  /// What makes a cache of this shape smaller where its sizes are open: "Take a shorter context (--max-context)".
  std::string remedy_of_cache(const Shape& shape) const;

  // --- where dispatches come from (origin.cpp) ---
  Origin origin(const std::string& reason) const;
  double bytes_of(const std::vector<NodeId>& nodes) const;
  double elements_read(const Node& node, std::size_t operand) const;
  double elements(const Shape& shape) const { return static_cast<double>(upper(Size::count(shape))); }
  bool leaves(ValueId value) const;

  /// The weight leaves of a group whose members differ in dtype from turn to turn of the loops around.
  std::vector<std::map<ValueId, DType>> signatures(const Item& item, std::vector<std::uint8_t>& variant) const;

  const GraphData& g_;
  const PlanOptions& options_;
  const std::vector<LayoutChoice>& layouts_;  // by weight
  const EntrySpec& entry_;
  Plan& plan_;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>, std::less<>> bounds_;  // of symbols and loop indices
  std::vector<std::optional<Operand>> places_;                                        // by value
  std::vector<std::size_t> uses_;                                                     // by value
  Uses all_uses_;
  std::vector<LoopRange> loops_;            // around, outermost first
  std::map<ValueId, std::string> indices_;  // loop index -> its symbol
  FusedGroup group_;
  std::map<ValueId, Operand> turned_;  // weights in their logical order, while the group at work is lowered
  using Rows = std::pair<RowForm, ValueId>;
  std::map<Rows, Operand> row_places_;  // wherever they are computed
  std::set<Rows> rows_wanted_;          // asked for before the value was computed
  std::set<Rows> rows_there_;           // computed in this region or one around it
  std::set<Rows> rows_instead_;         // of them those whose values are nowhere themselves
  std::map<Rows, std::size_t> readers_of_rows_;
  std::set<ValueId> int8_products_, bf16_products_, bf16_scores_;
  std::set<NodeId> left_out_;  // nodes of the group that the dispatches from here on do not compute
  std::map<ValueId, DType> signature_;
  bool plain_ = false;                  // lower as for a target without matrix units and tiles, in strict numerics
  kir::Target plain_target_;            // kernels::with_one_grid
  std::map<std::string, Size> params_;  // of the dispatch in the making
  std::vector<Step>* steps_ = nullptr;
  std::set<std::string, std::less<>> names_;
};

}  // namespace openinfer::plan
