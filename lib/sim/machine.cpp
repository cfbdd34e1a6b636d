// SPDX-License-Identifier: Apache-2.0
#include "lib/sim/machine.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

using Kind = Instruction::Kind;

constexpr std::int64_t kRoundTurns = 1 << 16;  // so few are gone through
constexpr std::size_t kRoundTransfers = 256;   // their order is looked through in the square of it

std::int64_t loop_bound(const Node& loop, std::string_view which) {
  return std::get<std::int64_t>(*loop.attributes.find(which));
}

Location line_of(const GraphData& g, ValueId v) {
  const NodeId node = g.values[v].node;
  return node == kNoNode ? Location{} : g.nodes[node].at;
}

}  // namespace

Machine::Machine(std::shared_ptr<const Program> program, StateStore& states, const Binding& binding, ThreadPool& pool,
                 const Budget* budget)
    : program_(std::move(program)),
      g_(program_->g()),
      binding_(binding),
      cells_(program_, budget != nullptr),
      extents_(g_.values.size()),
      node_run_({g_, cells_, states, binding, pool, extents_, budget}) {}

void Machine::begin(std::shared_ptr<const Schedule> schedule, std::vector<std::optional<Tensor>> inputs,
                    Listener listener) {
  end();
  schedule_ = std::move(schedule);
  listener_ = std::move(listener);
  for (std::size_t i = 0; i < g_.inputs.size(); ++i) {
    const ValueId v = g_.top().arguments[i];
    if (!schedule_->needed[v]) continue;
    if (!inputs[i])
      fail(ErrorCode::not_found, "[input] '{}', which is {}, is missing", g_.inputs[i], g_.values[v].type.to_string());
    cells_.set(v, *std::move(inputs[i]));
  }
  update_extents();
  frames_.push_back({&schedule_->regions[kTopRegion]});
  for (std::size_t i = 0; i < g_.inputs.size(); ++i)
    if (schedule_->needed[g_.top().arguments[i]]) made(g_.top().arguments[i], "input", {});
}

/// Shapes change with the symbols' values only: the steps of a decoding loop share them.
void Machine::update_extents() {
  if (extents_schedule_ == schedule_ && extents_binding_ == binding_.values()) return;
  extents_schedule_ = nullptr;
  for (ValueId v = 0; v < g_.values.size(); ++v)
    if (schedule_->needed[v] && g_.values[v].state < 0)
      extents_[v] = located(line_of(g_, v), [&] { return binding_.extents(g_.values[v].type.shape); });
  extents_binding_ = binding_.values();
  extents_schedule_ = schedule_;
}

void Machine::end() {
  if (frames_.empty() && !schedule_) return;
  frames_.clear();
  indices_.clear();
  cells_.clear_all();
  schedule_ = nullptr;
  listener_ = {};
}

NodeId Machine::next(bool each_turn) {
  turn_begun_ = false;
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (frame.at == frame.code->size()) {
      if (!frame.owner) break;
      if (turn_begun_ && each_turn && frame.owner->kind == Kind::loop) return frame.owner->node;
      if (!each_turn && frame.code->empty() && frame.owner->kind == Kind::loop) leave_out_turns(frame);
      leave();
      continue;
    }
    const Instruction& i = (*frame.code)[frame.at++];
    const Node& node = g_.nodes[i.node];
    switch (i.kind) {
      case Kind::weight:
        cells_.set_weight(node.results[0], static_cast<std::uint32_t>(program_->weights.member(
                                               i.node, [&](ValueId v) { return loop_value(v); })));
        release(i);
        break;
      case Kind::literal:
        cells_.set(node.results[0], program_->literals[i.node]);
        release(i);
        break;
      case Kind::constant:
        set_constant(node);
        release(i);
        break;
      case Kind::loop:
      case Kind::cond: enter(i); break;
      case Kind::run: run(i); return i.node;
    }
  }
  return kNoNode;
}

void Machine::run(const Instruction& i) {
  const Node& node = g_.nodes[i.node];
  if (listener_.before) listener_.before(i.node);
  node_run_.run(node, schedule_->escapes);
  if (listener_.after) listener_.after(i.node);
  if (listener_.made)
    for (ValueId v : node.results)
      if (g_.values[v].state < 0) listener_.made(v, node.op->name, node.at);
  release(i);
}

void Machine::set_constant(const Node& node) {
  const Tensor& tensor = g_.constants[static_cast<std::size_t>(node.decl)].tensor;
  if (node.index.empty()) return cells_.set(node.results[0], tensor);
  // #table[l] or #table[2]: that row, in place.
  const std::int64_t turn = node.operands.empty() ? 0 : loop_value(node.operands[0]);
  const std::int64_t row = node.index[0].scale * turn + node.index[0].offset;
  if (row < 0 || row >= tensor.shape()[0])
    fail_at(node.at, ErrorCode::invalid_argument, "[table] entry {} is asked for; there are {}", row,
            tensor.shape()[0]);
  Extents shape(tensor.shape().begin() + 1, tensor.shape().end());
  const std::int64_t row_bytes = size_bytes(tensor.dtype(), element_count(shape));
  Cell cell{{tensor.dtype(), std::move(shape), tensor.bytes().data() + row * row_bytes, false}, tensor, true};
  cells_[node.results[0]] = std::move(cell);
}

void Machine::release(const Instruction& i) {
  for (ValueId v : i.frees) cells_.clear(v);
}

void Machine::move(ValueId from, ValueId to) {
  // A copy of the handle: the same value may go to several places.
  cells_[to] = Cell(cells_[from]);
}

void Machine::enter(const Instruction& i) {
  const Node& node = g_.nodes[i.node];
  if (i.kind == Kind::cond) {
    const bool taken = *cells_.dense(node.operands[0]).as<std::uint8_t>() != 0;
    const RegionId region = node.regions[taken ? 0 : 1];
    frames_.push_back({&schedule_->regions[region], 0, &i, region, 0});
    return;
  }
  for (const Transfer& t : i.transfers) move(t.initial, t.argument);
  const std::int64_t from = loop_bound(node, "from"), to = loop_bound(node, "to");
  if (from >= to) return end_loop(i);
  frames_.push_back({&schedule_->regions[node.regions[0]], 0, &i, node.regions[0], to});
  indices_.push_back(from);
  begin_turn(i);
}

void Machine::begin_turn(const Instruction& loop) {
  turn_begun_ = true;
  const Node& node = g_.nodes[loop.node];
  const ValueId index = g_.regions[node.regions[0]].arguments[0];
  cells_.set(index, Tensor::scalar(static_cast<std::int32_t>(indices_.back())));
  made(index, "loop", node.at);
  for (const Transfer& t : loop.transfers) made(t.argument, "loop", node.at);
}

/// Of a body that only hands on what it gets: how many turns bring what goes round back to where it was; 0: too many.
std::int64_t Machine::turns_round(const std::vector<Transfer>& transfers) const {
  const auto from = [&](std::size_t k) {  // the transfer whose argument it hands on; none: it comes from elsewhere
    const auto is_it = [&](const Transfer& t) { return t.argument == transfers[k].next; };
    return static_cast<std::size_t>(std::find_if(transfers.begin(), transfers.end(), is_it) - transfers.begin());
  };
  std::int64_t turns = 1;
  for (std::size_t k = 0; k < transfers.size(); ++k) {
    std::int64_t length = 1;
    std::size_t at = from(k);
    for (; at < transfers.size() && at != k && length <= static_cast<std::int64_t>(transfers.size()); ++length)
      at = from(at);
    if (at == k) turns = std::lcm(turns, length);
    if (turns > kRoundTurns) return 0;
  }
  return turns;
}

/// Before a turn ends: as many of the next ones as change nothing. Those that are left fill whatever comes from outside
/// of what goes round, the index too, which goes through one argument a turn.
void Machine::leave_out_turns(const Frame& frame) {
  const auto& transfers = frame.owner->transfers;
  const std::int64_t left = frame.to - indices_.back() - 1 - static_cast<std::int64_t>(transfers.size());
  if (listener_.made || left <= kRoundTurns || transfers.size() > kRoundTransfers) return;
  const std::int64_t round = turns_round(transfers);
  if (round > 0) indices_.back() += left / round * round;
}

/// The end of a region: another turn, or on behind the loop or cond.
void Machine::leave() {
  const Frame frame = frames_.back();
  const Instruction& owner = *frame.owner;
  if (owner.kind == Kind::cond) {
    frames_.pop_back();
    return end_cond(owner, frame.region == g_.nodes[owner.node].regions[0]);
  }
  // All at once: a turn may hand on its own arguments in another order.
  std::vector<Cell> handed;
  for (const Transfer& t : owner.transfers) handed.push_back(cells_[t.next]);
  for (const Transfer& t : owner.transfers) {
    if (g_.values[t.next].region == frame.region) cells_.clear(t.next);
  }
  for (std::size_t k = 0; k < handed.size(); ++k) cells_[owner.transfers[k].argument] = std::move(handed[k]);
  if (++indices_.back() < frame.to) {
    frames_.back().at = 0;
    return begin_turn(owner);
  }
  frames_.pop_back();
  indices_.pop_back();
  end_loop(owner);
}

void Machine::end_loop(const Instruction& loop) {
  const Node& node = g_.nodes[loop.node];
  cells_.clear(g_.regions[node.regions[0]].arguments[0]);
  for (const Transfer& t : loop.transfers) {
    if (t.result != kNoValue) {
      move(t.argument, t.result);
      made(t.result, "loop", node.at);
    }
    cells_.clear(t.argument);
  }
  release(loop);
}

void Machine::end_cond(const Instruction& cond, bool first) {
  const Node& node = g_.nodes[cond.node];
  const RegionId region = node.regions[first ? 0 : 1];
  for (const Transfer& t : cond.transfers) move(first ? t.next : t.other, t.result);
  for (const Transfer& t : cond.transfers) {
    const ValueId inner = first ? t.next : t.other;
    if (g_.values[inner].region == region) cells_.clear(inner);
    made(t.result, "cond", node.at);
  }
  release(cond);
}

std::string Machine::where() const {
  std::string text;
  std::size_t loop = 0;
  for (const Frame& frame : frames_) {
    if (!frame.owner || frame.owner->kind != Kind::loop) continue;
    const ValueId index = g_.regions[frame.region].arguments[0];
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", g_.values[index].name, indices_[loop++]);
  }
  return text;
}

}  // namespace openinfer
