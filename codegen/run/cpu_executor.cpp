// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/cpu_executor.h"

#include <algorithm>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer::run {
namespace {

using plan::Buffer;
using plan::Operand;
using plan::Role;

std::size_t arena_bytes(const plan::Plan& plan) {
  std::int64_t most = 0;
  for (const plan::EntryPoint& e : plan.entries) most = std::max(most, e.arena_bytes);
  return static_cast<std::size_t>(most);
}

}  // namespace

CpuExecutor::CpuExecutor(const plan::Plan& plan, const std::optional<Model>& model, const Device& device,
                         CpuOptions options)
    : plan_(plan),
      library_(plan, device, options.on_compile),
      pool_(options.threads),
      weights_(plan.budget.bytes == 0 ? std::make_unique<PlacedWeights>(plan, model, pool_) : nullptr),
      streamed_(plan.budget.bytes == 0 ? nullptr : std::make_unique<StreamedWeights>(plan, model.value())),
      binding_(plan, options.dims),
      arenas_(Arenas::of(model)) {
  binding_.check_indices(std::move(options.index_bounds));
  binding_.check_rows(std::move(options.row_bounds));
  memory_.resize(plan.buffers.size());
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& b = plan.buffers[i];
    const bool owned = b.role == Role::input || b.role == Role::output || b.role == Role::state;
    const std::span<const std::byte> constant =
        b.role == Role::constant ? plan.constants[static_cast<std::size_t>(b.constant)].second.bytes()
                                 : std::span<const std::byte>();
    own_.emplace_back(owned ? static_cast<std::size_t>(binding_.bytes(b)) : constant.size());
    std::copy(constant.begin(), constant.end(), own_[i].bytes().begin());
    if (b.role != Role::scratch && b.role != Role::weight) memory_[i] = own_[i].bytes().data();
  }
  (void)arenas_->lend(arena_bytes(plan));  // so that memory lacks here, if it lacks
}

std::byte* CpuExecutor::place(const Operand& operand) {
  const auto i = static_cast<std::size_t>(operand.buffer);
  const Buffer& b = plan_.buffers[i];
  const auto offset = binding_.value(operand.offset) * info(b.dtype).block_bytes;
  if (b.role != Role::weight) return memory_[i] + offset;
  if (streamed_) {
    std::byte* const bytes = streamed_->place(member(operand));
    return bytes ? bytes + offset : nullptr;
  }
  // Kernels never write to what they have as input: the package stays as it is mapped.
  return const_cast<std::byte*>(weights_->members(i)[binding_.member(operand)].data()) + offset;
}

Tensors CpuExecutor::step(const Tensors& inputs) {
  const plan::EntryPoint& entry = plan_.entries[binding_.bind(inputs)];
  if (weights_) weights_->check_not_cut();
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    if (plan_.buffers[i].role != Role::input) continue;
    const auto bytes = inputs.find(plan_.buffers[i].key)->second.bytes();
    if (!bytes.empty()) std::memcpy(own_[i].bytes().data(), bytes.data(), bytes.size());
  }
  if (streamed_) streamed_->begin_step();
  Arenas::Lease arena = arenas_->lend(arena_bytes(plan_));
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
    if (plan_.buffers[i].role == Role::scratch) memory_[i] = arena.data() + plan_.buffers[i].offset;
  steps(entry.steps);
  Tensors outputs;
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& b = plan_.buffers[i];
    if (b.role != Role::output) continue;
    Tensor t(b.dtype, binding_.shape(b), Location{});
    const auto to = t.mutable_bytes();
    if (!to.empty()) std::memcpy(to.data(), own_[i].bytes().data(), to.size());
    outputs.emplace(b.key, std::move(t));
  }
  return outputs;
}

void CpuExecutor::reset() {
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
    if (plan_.buffers[i].role == Role::state) own_[i].clear();
}

std::vector<Tensor> CpuExecutor::save() {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
    if (plan_.buffers[i].role != Role::state) continue;
    Tensor& t = all.emplace_back(plan_.buffers[i].dtype, binding_.shape(plan_.buffers[i]), Location{});
    copy_nonzero_pages(own_[i].bytes(), t.mutable_bytes());
  }
  return all;
}

void CpuExecutor::restore(const std::vector<Tensor>& states) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < plan_.buffers.size(); ++i)
    if (plan_.buffers[i].role == Role::state) {
      const auto bytes = states[next++].bytes();
      own_[i].clear();
      copy_nonzero_pages(bytes, own_[i].bytes());
    }
}

void CpuExecutor::steps(const std::vector<plan::Step>& list) {
  for (const plan::Step& s : list) std::visit([&](const auto& one) { run(one); }, s);
}

StreamedWeights::Member CpuExecutor::member(const Operand& operand) const {
  return {static_cast<std::size_t>(operand.buffer), binding_.member(operand)};
}

/// Bytes of weights that the dispatch reads: of a table the rows that are looked up.
void CpuExecutor::count_weights(const plan::Dispatch& d) {
  for (const Operand& o : d.operands) {
    const auto i = static_cast<std::size_t>(o.buffer);
    if (plan_.buffers[i].role != Role::weight) continue;
    const std::uint64_t whole =
        streamed_ ? streamed_->size_bytes(member(o)) : weights_->members(i)[binding_.member(o)].size();
    bytes_read_ += std::min(whole, static_cast<std::uint64_t>(d.origin.bytes));
  }
}

void CpuExecutor::run(const plan::Dispatch& d) {
  const std::size_t variant = d.variant.empty() ? 0 : d.variant[static_cast<std::size_t>(turn_)];
  const KernelFunction function = library_.function(d.kernels[variant]);
  const plan::RowLookup& lookup = d.streaming.lookup;
  if (lookup.table >= 0) {
    const Operand& ids = d.operands[static_cast<std::size_t>(lookup.ids)];
    const Buffer& b = plan_.buffers[static_cast<std::size_t>(ids.buffer)];
    streamed_->look_up(lookup, member(d.operands[static_cast<std::size_t>(lookup.table)]), place(ids), b.dtype,
                       binding_.value(plan::Size::count(b.shape)));
  }
  std::vector<void*> buffers;
  for (const Operand& o : d.operands) buffers.push_back(place(o));
  count_weights(d);
  std::vector<std::int32_t> params;
  for (const plan::Size& p : d.params) params.push_back(static_cast<std::int32_t>(binding_.value(p)));
  if (d.streaming.tiles.parts > 0) return run_tiles(d, params, buffers, function);
  pool_.parallel_for(binding_.groups(d), 1, [&](std::int64_t first, std::int64_t last) {
    function(buffers.data(), params.data(), static_cast<int>(first), static_cast<int>(last));
  });
  if (lookup.table >= 0) streamed_->forget(member(d.operands[static_cast<std::size_t>(lookup.table)]));
}

void CpuExecutor::run_tiles(const plan::Dispatch& d, const std::vector<std::int32_t>& params,
                            std::vector<void*>& buffers, KernelFunction function) {
  const plan::ColumnParts& tiles = d.streaming.tiles;
  const std::int64_t rows = binding_.groups(d) / tiles.parts;  // tiles of x's rows
  std::vector<StreamedWeights::Member> members;
  for (const plan::ColumnParts::Weight& w : tiles.weights) members.push_back(member(d.operands[w.operand]));
  streamed_->each_tile(d.streaming, members, [&](std::int64_t from, std::int64_t to, std::span<std::byte* const> at) {
    for (std::size_t w = 0; w < members.size(); ++w) buffers[tiles.weights[w].operand] = at[w];
    const std::int64_t parts = to - from;
    pool_.parallel_for(rows * parts, 1, [&](std::int64_t first, std::int64_t last) {
      while (first < last) {  // the parts of one tile of rows are workgroups one behind the other
        const std::int64_t row = first / parts, end = std::min(last, (row + 1) * parts);
        const std::int64_t group = row * tiles.parts + from + first - row * parts;
        function(buffers.data(), params.data(), static_cast<int>(group), static_cast<int>(group + end - first));
        first = end;
      }
    });
  });
}

void CpuExecutor::run(const plan::Copy& c) {
  const auto bytes =
      binding_.value(c.elements) * info(plan_.buffers[static_cast<std::size_t>(c.to.buffer)].dtype).block_bytes;
  if (bytes > 0) std::memmove(place(c.to), place(c.from), static_cast<std::size_t>(bytes));
}

void CpuExecutor::run(const plan::Loop& l) {
  const std::int64_t outer = turn_;
  for (std::int64_t i = l.from; i < l.to; ++i) {
    binding_.set(l.index, i);
    turn_ = outer * (l.to - l.from) + i - l.from;
    steps(l.body);
  }
  turn_ = outer;
}

void CpuExecutor::run(const plan::Branch& b) { steps(*place(b.predicate) != std::byte{0} ? b.then : b.otherwise); }

}  // namespace openinfer::run
