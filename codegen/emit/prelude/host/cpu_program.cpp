#include "cpu_program.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "cpu_features.h"

namespace MODEL_NAME {
namespace {

/// Before anything else is looked at: a machine that lacks what the kernels need shall hear that.
const Description& checked(const Description& description) {
  for (const std::string_view feature : description.features)
    if (!machine_has(feature))
      fail(Reason::unsupported, "this program is for ", description.device, ", and this machine has no ", feature,
           ": emit again for --device this-cpu");
  return description;
}

}  // namespace

CpuProgram::CpuProgram(const Description& description, const std::string& package, const Options& options)
    : Program(checked(description), package, options),
      pool(options.threads),
      arena_(description.arena_bytes),
      laid_out_(other_layouts(), description.passing_bytes, pool),
      read_ahead_(mapped_weights()) {
  in_place = true;
  counts.arena_bytes = arena_.size_bytes();
  counts.threads = pool.threads();
  counts.repacked_bytes = laid_out_.size_bytes();
  for (std::size_t i = 0; i < relaid.size(); ++i) {
    std::span<const std::byte>& place = tensors[relaid[i].family][relaid[i].member];
    if (!place.empty()) place = {laid_out_.tensors()[laid_out_as_[i]].place, place.size()};
  }
}

/// In the order of the file, which is about that of the steps; tables of which a step may read a few rows are last.
std::vector<ReadAhead::Place> CpuProgram::mapped_weights() const {
  std::vector<ReadAhead::Place> all, tables;
  if (!description().maps) return all;
  for (std::size_t family = 0; family < tensors.size(); ++family)
    for (std::size_t member = 0; member < tensors[family].size(); ++member) {
      if (tensors[family][member].empty()) continue;
      const opnf::Tensor tensor = reader().tensor(reader().tensor(rows[family][member]).target);
      if (!tensor.pattern.empty()) continue;
      auto& some = description().families[family].looked_up ? tables : all;
      some.push_back({tensors[family][member], reader().file_descriptor(tensor.shard), tensor.offset});
    }
  for (auto* some : {&all, &tables})
    std::sort(some->begin(), some->end(), [](const auto& a, const auto& b) { return a.bytes.data() < b.bytes.data(); });
  all.insert(all.end(), tables.begin(), tables.end());
  return all;
}

/// One tensor by two names is laid out once.
std::vector<LaidOut::Tensor> CpuProgram::other_layouts() {
  // As steps come by them, layer after layer: large pages fill up one behind the other.
  std::stable_sort(relaid.begin(), relaid.end(), [&](const Relaid& a, const Relaid& b) {
    const auto turn = [&](const Relaid& r) {
      return description().families[r.family].ranges.empty() ? SIZE_MAX : r.member;
    };
    return turn(a) < turn(b);
  });
  std::vector<LaidOut::Tensor> all;
  std::map<std::pair<std::size_t, bool>, std::size_t> known;
  for (const Relaid& now : relaid) {
    const Family& family = description().families[now.family];
    const std::span<const std::byte> from = tensors[now.family][now.member];
    const auto [place, added] = known.try_emplace({now.tensor, family.panels}, all.size());
    laid_out_as_.push_back(place->second);
    if (from.empty()) continue;
    if (added) {
      const opnf::Tensor tensor = reader().tensor(now.tensor);
      all.push_back({.dtype = tensor.dtype,
                     .from = from,
                     .panel_bytes = static_cast<std::uint64_t>(now.panel_bytes),
                     .to_panels = family.panels,
                     .mapped = tensor.pattern.empty(),
                     .on_use = true,
                     .looked_up = false});
    }
    LaidOut::Tensor& one = all[place->second];
    one.on_use = one.on_use && family.fetch == Fetch::on_use;
    one.looked_up = one.looked_up || family.looked_up;
  }
  return all;
}

std::byte* CpuProgram::take_state(std::int64_t size_bytes) {
  states_.emplace_back(size_bytes);
  counts.state_bytes += size_bytes;
  return states_.back().data();
}

void CpuProgram::clear_states() {
  for (Memory& state : states_) state.clear();
}

}  // namespace MODEL_NAME
