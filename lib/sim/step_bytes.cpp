// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/step_bytes.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "formats/opnf/panel16.h"
#include "lib/base/checked.h"
#include "lib/base/fail.h"
#include "lib/sim/node_run.h"

namespace openinfer {
namespace {

// Beside a tensor's bytes: its control block, shape, and what the allocator adds.
constexpr std::int64_t kTensorBytes = 256;
// Of any operator in any thread: what stands on no list, as a short vector of indices.
constexpr std::int64_t kSmallBytes = 4 << 10;

std::int64_t tensor_bytes(DType dtype, const Extents& shape) {
  return checked_add(size_bytes(dtype, element_count(shape)), kTensorBytes);
}

/// A node's run as OpDef::workspace sees it: sizes and no data.
class SizedRun final : public OpRun {
 public:
  SizedRun(const GraphData& g, const Node& node, const Binding& binding) : g_(g), node_(node), binding_(binding) {}

  std::vector<TensorView> operands;
  std::vector<bool> present;

  const OpDef& op() const override { return *node_.op; }
  std::size_t operand_count() const override { return operands.size(); }
  bool has(std::size_t i) const override { return i < operands.size() && present[i]; }
  TensorView in(std::size_t i) const override { return operands.at(i); }
  const std::byte* stored_rows(std::size_t, std::int64_t, std::int64_t) const override { no_data(); }
  TensorSpan out(std::size_t i) override {
    const TensorType& type = g_.values[node_.results.at(i)].type;
    return {type.dtype, binding_.extents(type.shape), nullptr};
  }
  void set_view(std::size_t, TensorView) override { no_data(); }
  std::span<TensorSpan> state() override { no_data(); }
  const Attributes& attributes() const override { return node_.attributes; }
  std::int64_t value(const Dim& dim) const override { return binding_.value(dim); }
  void parallel_for(std::int64_t, std::int64_t, const std::function<void(std::int64_t, std::int64_t)>&) const override {
    no_data();
  }
  Location at() const override { return node_.at; }

 private:
  [[noreturn]] void no_data() const { fail(ErrorCode::internal, "has sizes only where its workspace is asked for"); }

  const GraphData& g_;
  const Node& node_;
  const Binding& binding_;
};

/// Walks a schedule once: what lives at each node.
class Walk {
 public:
  Walk(const Program& program, const Schedule& schedule, const Binding& binding, int threads)
      : program_(program), g_(program.g()), schedule_(schedule), binding_(binding), threads_(threads) {}

  StepBytes run() {
    find_dense_weights();
    for (const ValueId v : g_.top().arguments)
      if (schedule_.needed[v] && g_.values[v].state < 0) add(v, bytes(v));
    region(kTopRegion);
    StepBytes step;
    step.parts.states = states();
    step.parts.values = most_ + outputs();
    step.parts.weights = checked_multiply(threads_, rows_bytes());
    step.most_row_bytes = most_row_bytes_;
    return step;
  }

 private:
  std::int64_t bytes(ValueId v) const {
    const TensorType& type = g_.values[v].type;
    return tensor_bytes(type.dtype, binding_.extents(type.shape));
  }
  void add(ValueId v, std::int64_t size) {
    remove(v);
    held_[v] = size;
    live_ = checked_add(live_, size);
    most_ = std::max(most_, live_);
  }
  void remove(ValueId v) {
    const auto held = held_.find(v);
    if (held == held_.end()) return;
    live_ -= held->second;
    held_.erase(held);
  }
  void leave(RegionId r) {
    for (auto held = held_.begin(); held != held_.end();) {
      if (g_.values[held->first].region != r) {
        ++held;
        continue;
      }
      live_ -= held->second;
      held = held_.erase(held);
    }
  }

  void region(RegionId r) {
    for (const Instruction& i : schedule_.regions[r]) {
      const Node& node = g_.nodes[i.node];
      switch (i.kind) {
        case Instruction::Kind::weight: weight(i.node, node.results[0]); break;
        case Instruction::Kind::constant:
        case Instruction::Kind::literal: break;  // the graph's own
        case Instruction::Kind::run: run_node(node); break;
        case Instruction::Kind::loop: loop(i, node); break;
        case Instruction::Kind::cond: cond(i, node); break;
      }
      for (const ValueId v : i.frees) remove(v);
    }
  }

  void loop(const Instruction& i, const Node& node) {
    const auto bound = [&](std::string_view which) { return std::get<std::int64_t>(*node.attributes.find(which)); };
    // From the second turn on the argument is what the turn before handed on, beside what the loop began with.
    for (const Transfer& t : i.transfers) add(t.argument, bytes(t.argument));
    if (bound("from") < bound("to")) region(node.regions[0]);
    leave(node.regions[0]);
    results(i);
  }
  void cond(const Instruction& i, const Node& node) {
    for (const RegionId r : node.regions) {
      region(r);
      leave(r);
    }
    results(i);
  }
  void results(const Instruction& i) {
    for (const Transfer& t : i.transfers)
      if (t.result != kNoValue) add(t.result, bytes(t.result));
  }

  void run_node(const Node& node) {
    const bool view = node.op->traits.state == StateUse::read && node.op->traits.view;
    for (const ValueId v : node.results)
      if (g_.values[v].state < 0) add(v, view && !schedule_.escapes[v] ? kTensorBytes : bytes(v));
    const Workspace space = workspace(node);
    const std::int64_t small = checked_add(space.per_thread_bytes, kSmallBytes);
    most_ = std::max(most_, checked_add(live_, checked_add(space.shared_bytes, checked_multiply(threads_, small))));
    rows(node, space);
  }

  // --- weights ---

  /// Weights that operators take other than by stored rows: read whole.
  void find_dense_weights() {
    for (const auto& instructions : schedule_.regions)
      for (const Instruction& i : instructions) {
        if (i.kind != Instruction::Kind::run) continue;
        const Node& node = g_.nodes[i.node];
        for (std::size_t o = 0; o < node.operands.size(); ++o)
          if (node.operands[o] != kNoValue && !is_stored(node, o)) dense_.insert(node.operands[o]);
      }
  }
  static bool is_stored(const Node& node, std::size_t operand) {
    const auto& specs = node.op->operands;
    return !specs.empty() && specs[std::min(operand, specs.size() - 1)].stored;
  }
  /// It lives with the values; one that a region hands on is counted as what takes it there.
  void weight(NodeId leaf, ValueId v) {
    if (!dense_.contains(v)) return;
    std::int64_t largest = 0;
    for (const std::uint32_t member : program_.weights.members(leaf)) {
      const StoredTensor& t = program_.weights.tensors()[member];
      largest = std::max(largest, t.size_bytes);
    }
    add(v, largest + kTensorBytes);
  }
  /// The largest tensor that a value may be; null: it is no weight.
  const StoredTensor* stored(ValueId v) const {
    const NodeId leaf = g_.values[v].node;
    if (leaf == kNoNode || g_.nodes[leaf].op != &weight_op()) return nullptr;
    const StoredTensor* largest = nullptr;
    for (const std::uint32_t member : program_.weights.members(leaf)) {
      const StoredTensor& t = program_.weights.tensors()[member];
      if (!largest || t.size_bytes > largest->size_bytes) largest = &t;
    }
    return largest;
  }

  Workspace workspace(const Node& node) const {
    SizedRun run(g_, node, binding_);
    const std::size_t count = node.operands.size() - (node.op->traits.state != StateUse::none ? 1 : 0);
    for (std::size_t o = 0; o < count; ++o) {
      const ValueId v = node.operands[o];
      run.present.push_back(v != kNoValue);
      if (v == kNoValue) {
        run.operands.emplace_back();
        continue;
      }
      const StoredTensor* weight = stored(v);
      const TensorType& type = g_.values[v].type;
      run.operands.push_back({weight ? weight->dtype : type.dtype, binding_.extents(type.shape), nullptr,
                              weight && weight->transposed && is_stored(node, o)});
    }
    if (node.op->workspace) return node.op->workspace(run);
    return node.op->traits.elementwise ? Workspace{} : unknown(run, node);
  }
  Workspace unknown(SizedRun& run, const Node& node) const {
    Workspace space;
    const auto add = [&](const Extents& shape) {
      space.shared_bytes = checked_add(space.shared_bytes, checked_multiply(8, element_count(shape)));
    };
    for (std::size_t o = 0; o < run.operands.size(); ++o) {
      if (!run.present[o]) continue;
      const TensorView& x = run.operands[o];
      if (!is_stored(node, o))
        add(x.shape);
      else
        space.stored_rows_bytes = std::max(space.stored_rows_bytes, size_bytes(x.dtype, element_count(x.shape)));
    }
    for (std::size_t r = 0; r < node.results.size(); ++r)
      if (g_.values[node.results[r]].state < 0) add(run.out(r).shape);
    return space;
  }

  /// What a thread keeps of an operand's rows: read a piece at a time, and from panels twice.
  void rows(const Node& node, const Workspace& space) {
    for (std::size_t o = 0; o < node.operands.size(); ++o) {
      const ValueId v = node.operands[o];
      if (v == kNoValue || !is_stored(node, o)) continue;
      const StoredTensor* t = stored(v);
      if (!t && g_.values[v].node != kNoNode && g_.nodes[g_.values[v].node].regions.empty()) continue;  // in memory
      const std::int64_t asked = space.stored_rows_bytes;
      most_row_bytes_ = std::max(most_row_bytes_, asked);
      std::int64_t size = std::max(asked, NodeRun::kReadBytes);
      if (t && t->panels) size = checked_add(2 * size, 2 * static_cast<std::int64_t>(opnf::kPanelRows) * t->row_bytes);
      if (rows_.size() <= o) rows_.resize(o + 1);
      rows_[o] = std::max(rows_[o], size);
    }
  }
  std::int64_t rows_bytes() const {
    std::int64_t sum = 0;
    for (const std::int64_t size : rows_) sum = checked_add(sum, size);
    return sum;
  }

  std::int64_t states() const {
    std::int64_t sum = 0;
    for (const StateDecl& s : g_.states) {
      const std::int64_t one = size_bytes(s.spec.dtype, element_count(binding_.extents(s.spec.shape)));
      sum = checked_add(sum, checked_multiply(s.spec.kind == StateSpec::Kind::kv_cache ? 2 : 1, one));
    }
    return sum;
  }
  /// Of the step before, which the caller may hold, or a copy of what is a view.
  std::int64_t outputs() const {
    std::int64_t sum = 0;
    for (const OutputDecl& output : g_.outputs)
      if (schedule_.needed[output.value]) sum = checked_add(sum, 2 * bytes(output.value));
    return sum;
  }

  const Program& program_;
  const GraphData& g_;
  const Schedule& schedule_;
  const Binding& binding_;
  const int threads_;
  std::map<ValueId, std::int64_t> held_;
  std::int64_t live_ = 0, most_ = 0, most_row_bytes_ = 0;
  std::set<ValueId> dense_;
  std::vector<std::int64_t> rows_;  // by operand: of a thread
};

}  // namespace

StepBytes step_bytes(const Program& program, const Schedule& schedule, const Binding& binding, int threads) {
  return Walk(program, schedule, binding, threads).run();
}

}  // namespace openinfer
