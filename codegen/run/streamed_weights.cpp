// SPDX-License-Identifier: Apache-2.0
#include "codegen/run/streamed_weights.h"

#include <algorithm>
#include <set>

#include "codegen/kernels/panel_code.h"
#include "codegen/plan/budget.h"
#include "codegen/plan/members.h"
#include "codegen/run/placed_weights.h"
#include "lib/base/fail.h"
#include "lib/package/package.h"

namespace openinfer::run {
namespace {

using kernels::Layout;
using plan::Role;

/// What the stream throws, as this library's errors.
template <class F>
decltype(auto) stream_errors(const F& f) try {
  return f();
} catch (const host::Error& e) {
  fail(e.reason() == host::Reason::memory ? ErrorCode::out_of_memory : ErrorCode::io_error, "[weights] {}", e.what());
}

/// In whole cache lines.
std::size_t in_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

StreamedWeights::StreamedWeights(const plan::Plan& plan, const Model& model)
    : plan_(plan), model_(model), members_(plan.buffers.size()) {
  for (std::size_t b = 0; b < plan.buffers.size(); ++b) {
    const plan::Buffer& buffer = plan.buffers[b];
    if (buffer.role != Role::weight) continue;
    plan::check_members(buffer, model);
    for (const std::string& key : plan::member_keys(buffer))
      members_[b].push_back(add(model.tensor(key), buffer.layout));
  }
  make_resident();
  stream_ = stream_errors([&] {
    return std::make_unique<host::WeightStream>(
        std::vector<host::StreamedFile>{{model_.package().reader.file_descriptor(0), model_.path()}}, tensors_,
        [this](std::uint32_t t, std::uint64_t first, std::span<std::byte> to) { read(t, first, to); },
        plan.budget.buffer_bytes, plan.budget.buffers);
  });
}

/// One tensor by two names is one; in two layouts it is two.
std::size_t StreamedWeights::add(const TensorInfo& wanted, Layout layout) {
  const TensorInfo tensor = wanted.alias_of.empty() ? wanted : model_.tensor(wanted.alias_of);
  const auto [known, added] = numbers_.try_emplace({std::string(tensor.key), layout}, infos_.size());
  if (!added) return known->second;
  const bool in_file = tensor.shard == 0 && !tensor.splat && !is_laid_out_anew(tensor, layout);
  infos_.push_back(tensor);
  layouts_.push_back(layout);
  tensors_.push_back({in_file ? 0 : -1, in_file ? tensor.offset : 0, tensor.size_bytes});
  row_bytes_.push_back(plan::stored_row_bytes(tensor));
  places_.push_back(nullptr);
  return infos_.size() - 1;
}

void StreamedWeights::make_resident() {
  std::set<std::size_t> resident;
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b)
    if (plan_.buffers[b].resident) resident.insert(members_[b].begin(), members_[b].end());
  std::size_t size = 0;
  for (const std::size_t t : resident) size += in_lines(tensors_[t].size);
  resident_ = ZeroPages(size);
  std::byte* at = resident_.bytes().data();
  for (const std::size_t t : resident) {
    read(t, 0, {at, tensors_[t].size});
    places_[t] = at;
    at += in_lines(tensors_[t].size);
  }
}

void StreamedWeights::read(std::size_t tensor, std::uint64_t first, std::span<std::byte> to) const {
  read_laid_out(model_, infos_[tensor], layouts_[tensor], first, to);
}

host::WeightStream::Tile StreamedWeights::tile(const plan::Streaming& s, std::span<const Member> members,
                                               std::int64_t from, std::int64_t to) const {
  host::WeightStream::Tile tile;
  for (std::size_t w = 0; w < members.size(); ++w) {
    const std::size_t t = tensor(members[w]);
    const plan::ByteRange range =
        plan::tile_range(s.tiles.weights[w], row_bytes_[t], static_cast<std::int64_t>(tensors_[t].size), from, to);
    tile.ranges[tile.count++] = {static_cast<std::uint32_t>(t), static_cast<std::uint64_t>(range.first),
                                 static_cast<std::uint64_t>(range.count)};
  }
  return tile;
}

void StreamedWeights::each_tile(const plan::Streaming& s, std::span<const Member> members, const EachTile& f) {
  std::vector<host::WeightStream::Tile> tiles;
  for (std::int64_t from = 0; from < s.tiles.parts; from += s.at_once)
    tiles.push_back(tile(s, members, from, std::min(from + s.at_once, s.tiles.parts)));
  stream_->announce(tiles);
  std::int64_t from = 0;
  for (const host::WeightStream::Tile& now : tiles) {
    host::WeightStream::Places places = stream_errors([&] { return stream_->next(); });
    for (std::size_t r = 0; r < now.count; ++r) places[r] = host::start_of(places[r], now.ranges[r].first);
    const std::int64_t to = std::min(from + s.at_once, s.tiles.parts);
    f(from, to, std::span<std::byte* const>(places).first(now.count));
    from = to;
  }
}

void StreamedWeights::look_up(const plan::RowLookup& lookup, const Member& table, const std::byte* ids, DType dtype,
                              std::int64_t count) {
  const std::size_t t = tensor(table);
  if (places_[t] && !windows_.contains(t)) return;  // resident
  ZeroPages& window = windows_.try_emplace(t, tensors_[t].size).first->second;
  places_[t] = window.bytes().data();
  const std::int64_t rows = layouts_[t] == Layout::panel16 ? kernels::kPanelRows : 1;
  const auto size = static_cast<std::int64_t>(tensors_[t].size) / lookup.entries * rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t id = dtype == DType::i64 ? reinterpret_cast<const std::int64_t*>(ids)[i]
                                                : reinterpret_cast<const std::int32_t*>(ids)[i];
    const std::int64_t first = std::clamp<std::int64_t>(id, 0, lookup.entries - 1) / rows * size;
    read(t, static_cast<std::uint64_t>(first),
         window.bytes().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size)));
  }
}

void StreamedWeights::forget(const Member& table) {
  if (const auto window = windows_.find(tensor(table)); window != windows_.end()) window->second.clear();
}

}  // namespace openinfer::run
