// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/node_run.h"

#include <cstring>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

Tensor copy_of(const TensorView& view) {
  Tensor copy(view.dtype, view.shape, Location{});
  const auto to = copy.mutable_bytes();
  if (!to.empty()) std::memcpy(to.data(), view.data, to.size());
  return copy;
}

}  // namespace

void NodeRun::run(const Node& node, const std::vector<bool>& escapes) {
  node_ = &node;
  take_operands();
  results_.clear();
  for (ValueId v : node.results)
    if (s_.g.values[v].state < 0) results_.push_back({v, {}, {}});
  node.op->reference(*this);
  for (std::size_t i = 0; i < results_.size(); ++i) finish_result(i, escapes[results_[i].value]);
}

void NodeRun::take_operands() {
  const OpDef& op = *node_->op;
  const std::size_t count = node_->operands.size() - (op.traits.state != StateUse::none ? 1 : 0);
  operands_.assign(count, {});
  for (std::size_t i = 0; i < count; ++i) {
    const ValueId v = node_->operands[i];
    if (v == kNoValue) continue;
    const bool stored = op.operands.empty() ? false : op.operands[std::min(i, op.operands.size() - 1)].stored;
    operands_[i] = s_.cells.operand(v, stored);
  }
}

TensorView NodeRun::in(std::size_t i) const {
  const OperandBytes& operand = operands_.at(i);
  if (!operand.present) fail(ErrorCode::internal, fmt::format("operand {} is absent", i));
  return {operand.dtype, *operand.shape, operand.stored ? nullptr : operand.data, operand.transposed};
}

const std::byte* NodeRun::stored_rows(std::size_t i, std::int64_t first, std::int64_t count) const {
  const OperandBytes& operand = operands_.at(i);
  if (!operand.present || !operand.stored)
    fail(ErrorCode::internal, fmt::format("operand {} has no stored rows to read", i));
  if (first < 0 || count < 0 || first > operand.rows || count > operand.rows - first)
    fail(ErrorCode::invalid_argument,
         fmt::format("rows {}..{} of operand {} are asked for; it has {}", first, first + count, i, operand.rows));
  const bool all = first == 0 && count == operand.rows;
  if (operand.row_bytes == 0 && !all && count > 0)
    fail(ErrorCode::unsupported,
         fmt::format("a row of operand {} is no whole number of {} bytes or blocks", i, name(operand.dtype)));
  if (operand.counts)
    s_.cells.bytes_read.fetch_add(static_cast<std::uint64_t>(count * operand.row_bytes), std::memory_order_relaxed);
  return operand.panels ? unpacked_rows(i, first, count) : operand.data + first * operand.row_bytes;
}

const std::byte* NodeRun::unpacked_rows(std::size_t i, std::int64_t first, std::int64_t count) const {
  const OperandBytes& operand = operands_[i];
  std::unique_lock lock(unpacked_mutex_);
  std::vector<std::byte>& rows = unpacked_[{std::this_thread::get_id(), i}];
  lock.unlock();  // elements of a map stay where they are, and this one is this thread's
  rows.resize(static_cast<std::size_t>(count * operand.row_bytes));
  unpack_panels(operand.dtype, operand.row_bytes, operand.data, first, count, rows.data());
  return rows.data();
}

TensorSpan NodeRun::out(std::size_t i) {
  const std::lock_guard lock(results_mutex_);
  Result& result = results_.at(i);
  if (result.made != Result::Made::tensor) {
    result.tensor = Tensor(s_.g.values[result.value].type.dtype, s_.extents[result.value], Location{});
    result.made = Result::Made::tensor;
  }
  return result.tensor.span();
}

void NodeRun::set_view(std::size_t i, TensorView view) {
  Result& result = results_.at(i);
  result.view = std::move(view);
  result.made = Result::Made::view;
}

std::span<TensorSpan> NodeRun::state() {
  if (node_->op->traits.state == StateUse::none) fail(ErrorCode::internal, "has no state");
  const int decl = s_.g.values[node_->operands.back()].state;
  const auto tensors = s_.states.tensors(decl);
  if (tensors.empty())
    fail(ErrorCode::invalid_argument, fmt::format("${} has no size: set its dimensions in the session's options",
                                                  s_.g.states[static_cast<std::size_t>(decl)].name));
  return tensors;
}

/// A view is one of the state's memory, which stays where it is, or of an operand's, which the result then keeps alive.
void NodeRun::finish_result(std::size_t i, bool escapes) {
  Result& result = results_[i];
  const ValueId v = result.value;
  if (result.made == Result::Made::nothing) out(i);
  if (result.made == Result::Made::tensor) return s_.cells.set(v, std::move(result.tensor));
  if (result.view.dtype != s_.g.values[v].type.dtype || result.view.shape != s_.extents[v])
    fail(ErrorCode::internal, fmt::format("result {} is a view of {}{}; its type is {}", i, name(result.view.dtype),
                                          to_string(result.view.shape), s_.g.values[v].type.to_string()));
  const bool of_state = node_->op->traits.state != StateUse::none;
  if (of_state && !escapes) {
    s_.cells.clear(v);
    s_.cells[v].view = std::move(result.view);
    return;
  }
  if (of_state) return s_.cells.set(v, copy_of(result.view));
  share_operand(result);
}

void NodeRun::share_operand(const Result& result) {
  for (ValueId operand : node_->operands) {
    if (operand == kNoValue || !s_.cells[operand].owned) continue;
    const Tensor& owner = s_.cells[operand].owner;
    const auto bytes = owner.bytes();
    if (result.view.data < bytes.data() || result.view.data >= bytes.data() + bytes.size()) continue;
    Cell cell{result.view, owner, true};
    s_.cells[result.value] = std::move(cell);
    return;
  }
  s_.cells.set(result.value, copy_of(result.view));
}

}  // namespace openinfer
