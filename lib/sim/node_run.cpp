// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/node_run.h"

#include <algorithm>
#include <cstring>

#include "formats/opnf/panel16.h"
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
  ++runs_;
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
  if (!operand.data && operand.weight != Cell::kNoWeight) return rows_from_file(i, first, count);
  return operand.panels ? unpacked_rows(i, first, count) : operand.data + first * operand.row_bytes;
}

NodeRun::Rows& NodeRun::rows_of_thread(std::size_t i) const {
  const std::lock_guard lock(rows_mutex_);
  return rows_[{std::this_thread::get_id(), i}];  // elements of a map stay where they are, and this is the thread's own
}

const std::byte* NodeRun::unpacked_rows(std::size_t i, std::int64_t first, std::int64_t count) const {
  const OperandBytes& operand = operands_[i];
  std::vector<std::byte>& rows = rows_of_thread(i).bytes;
  rows.resize(static_cast<std::size_t>(count * operand.row_bytes));
  unpack_panels(operand.dtype, operand.row_bytes, operand.data, first, count, rows.data());
  return rows.data();
}

/// Who goes on where it stopped gets some more rows with the next ones; a table's rows, looked up here and there, come
/// alone.
const std::byte* NodeRun::rows_from_file(std::size_t i, std::int64_t first, std::int64_t count) const {
  const OperandBytes& operand = operands_[i];
  if (operand.row_bytes == 0 || count == 0) {
    Rows& all = rows_of_thread(i);
    all.run = 0;
    all.bytes.resize(static_cast<std::size_t>(count == 0 ? 0 : s_.cells.stored_size(operand.weight)));
    check_most(static_cast<std::int64_t>(all.bytes.size()));
    s_.cells.read(operand.weight, 0, all.bytes);
    return all.bytes.data();
  }
  Rows& rows = rows_of_thread(i);
  const bool same = rows.run == runs_;
  if (!same || first < rows.first || first + count > rows.first + rows.count) {
    const bool goes_on = same && first == rows.first + rows.count;
    check_most(count * operand.row_bytes);
    const std::int64_t some = goes_on ? std::max(count, kReadBytes / operand.row_bytes) : count;
    read_rows(operand, rows, first, std::min(some, operand.rows - first));
  }
  return rows.bytes.data() + (first - rows.first) * operand.row_bytes;
}

void NodeRun::check_most(std::int64_t bytes) const {
  if (bytes > s_.budget->most_row_bytes())
    fail(ErrorCode::internal, fmt::format("asks for {} bytes of stored rows at once; its workspace says {}", bytes,
                                          s_.budget->most_row_bytes()));
}

void NodeRun::read_rows(const OperandBytes& operand, Rows& rows, std::int64_t first, std::int64_t count) const {
  rows.run = 0;
  rows.bytes.resize(static_cast<std::size_t>(count * operand.row_bytes));
  if (!operand.panels) {
    s_.cells.read(operand.weight, first * operand.row_bytes, rows.bytes);
  } else {
    constexpr auto kRows = static_cast<std::int64_t>(opnf::kPanelRows);
    const std::int64_t panel = first / kRows, panels = (first + count + kRows - 1) / kRows - panel;
    rows.panels.resize(static_cast<std::size_t>(panels * kRows * operand.row_bytes));
    s_.cells.read(operand.weight, panel * kRows * operand.row_bytes, rows.panels);
    unpack_panels(operand.dtype, operand.row_bytes, rows.panels.data(), first - panel * kRows, count,
                  rows.bytes.data());
  }
  rows.run = runs_;
  rows.first = first;
  rows.count = count;
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
