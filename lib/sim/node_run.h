// SPDX-License-Identifier: Apache-2.0
// One run of one node, as its reference implementation sees it. Made once for each session and pointed at node after
// node: nothing of it is allocated anew.
#pragma once

#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "lib/sim/binding.h"
#include "lib/sim/budget.h"
#include "lib/sim/cells.h"
#include "lib/sim/schedule.h"
#include "lib/sim/state_store.h"
#include "lib/sim/thread_pool.h"

namespace openinfer {

class NodeRun final : public OpRun {
 public:
  /// Rows of a weight are read from the file in pieces of this size at least where they are asked for one after
  /// another.
  static constexpr std::int64_t kReadBytes = 32 << 10;

  struct Session {
    const GraphData& g;
    Cells& cells;
    StateStore& states;
    const Binding& binding;
    ThreadPool& pool;
    const std::vector<Extents>& extents;  // by value, under the current binding
    const Budget* budget;                 // bounds what is read from the file at once; null: nothing is
  };
  explicit NodeRun(const Session& session) : s_(session) {}

  /// Runs the node's reference; its results are in the cells then. A result with `escapes` is never a view of a state.
  void run(const Node& node, const std::vector<bool>& escapes);

  const OpDef& op() const override { return *node_->op; }
  std::size_t operand_count() const override { return operands_.size(); }
  bool has(std::size_t i) const override { return i < operands_.size() && operands_[i].present; }
  TensorView in(std::size_t i) const override;
  const std::byte* stored_rows(std::size_t i, std::int64_t first, std::int64_t count) const override;
  TensorSpan out(std::size_t i) override;
  void set_view(std::size_t i, TensorView view) override;
  std::span<TensorSpan> state() override;
  const Attributes& attributes() const override { return node_->attributes; }
  std::int64_t value(const Dim& dim) const override { return s_.binding.value(dim); }
  void parallel_for(std::int64_t n, std::int64_t grain,
                    const std::function<void(std::int64_t, std::int64_t)>& f) const override {
    s_.pool.parallel_for(n, grain, f);
  }
  Location at() const override { return node_->at; }

 private:
  struct Result {
    ValueId value = kNoValue;
    Tensor tensor;
    TensorView view;
    enum class Made { nothing, tensor, view } made = Made::nothing;
  };

  /// Rows that a thread has of a stored operand: made from panels, or read from the file.
  struct Rows {
    std::uint64_t run = 0;  // they are of that run of a node
    std::int64_t first = 0, count = 0;
    std::vector<std::byte> bytes = {};
    std::vector<std::byte> panels = {};  // those that bytes were made from
  };

  Rows& rows_of_thread(std::size_t i) const;
  const std::byte* rows_from_file(std::size_t i, std::int64_t first, std::int64_t count) const;
  void check_most(std::int64_t bytes) const;
  void read_rows(const OperandBytes& operand, Rows& rows, std::int64_t first, std::int64_t count) const;
  const std::byte* unpacked_rows(std::size_t i, std::int64_t first, std::int64_t count) const;
  void take_operands();
  void finish_result(std::size_t i, bool escapes);
  void share_operand(const Result& result);

  Session s_;
  const Node* node_ = nullptr;
  std::vector<OperandBytes> operands_;
  std::vector<Result> results_;
  std::mutex results_mutex_;  // out() may be first called from inside a parallel loop
  std::uint64_t runs_ = 0;
  // By thread and operand: what stored_rows returned last, where that is no place in memory anyway.
  mutable std::mutex rows_mutex_;
  mutable std::map<std::pair<std::thread::id, std::size_t>, Rows> rows_;
};

}  // namespace openinfer
