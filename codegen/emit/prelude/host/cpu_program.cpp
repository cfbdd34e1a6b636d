#include "cpu_program.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>

#include "cpu_features.h"

namespace MODEL_NAME {
namespace {

constexpr std::size_t kSmall = 64 << 10;  // bytes: a large page has 32 times as many

constexpr std::int64_t kAroundArrays = 96 << 10;  // bytes of a stack: frames, and what was there before

/// What main()'s stack may grow to.
std::uint64_t stack_of_main() {
  rlimit limit{};
  const bool limited = ::getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return limited ? limit.rlim_cur : UINT64_MAX;
}
/// What a new thread gets: main()'s limit, or what the C library has for threads.
std::uint64_t stack_of_threads() {
  pthread_attr_t attributes;
  std::size_t bytes = 0;
  if (const int error = ::pthread_attr_init(&attributes); error != 0)
    fail("no attributes of a thread: ", std::strerror(error));
  ::pthread_attr_getstacksize(&attributes, &bytes);
  ::pthread_attr_destroy(&attributes);
  return bytes;
}
void check_stack(std::int64_t array_bytes) {
  const std::uint64_t needed = (static_cast<std::uint64_t>(array_bytes + kAroundArrays) + 1023) >> 10,
                      of_main = stack_of_main() >> 10, of_threads = stack_of_threads() >> 10;
  if (of_main < needed)
    fail("a thread's stack is limited to ", of_main, " KiB, and the kernels take ", needed,
         " KiB: raise it (ulimit -s ", std::max<std::uint64_t>(8192, needed), ")");
  if (of_threads < needed)
    fail("new threads have a stack of ", of_threads, " KiB, and the kernels take ", needed,
         " KiB: set a limit (ulimit -s ", needed, ") or, with musl, link with -Wl,-z,stack-size=", needed << 10);
}

/// Before anything else is looked at: a machine that lacks what the kernels need shall hear that.
const Description& checked(const Description& description) {
  for (const std::string_view feature : description.features)
    if (!machine_has(feature))
      fail(Reason::unsupported, "this program is for ", description.device, ", and this machine has no ", feature,
           ": emit again for --device this-cpu");
  check_stack(description.stack_bytes);
  return description;
}

}  // namespace

CpuProgram::CpuProgram(const Description& description, const std::string& package, const Options& options)
    : Program(checked(description), package, options),
      pool(options.threads),
      arena_(description.arena_bytes),
      read_ahead_(mapped_weights()),
      laid_out_(other_layouts(), description.passing_bytes, read_ahead_, pool) {
  in_place = true;
  counts.arena_bytes = arena_.size_bytes();
  counts.threads = pool.threads();
  counts.repacked_bytes = laid_out_.size_bytes();
  for (std::size_t i = 0; i < relaid.size(); ++i) {
    std::span<const std::byte>& place = tensors[relaid[i].family][relaid[i].member];
    if (!place.empty()) place = {laid_out_.tensors()[laid_out_as_[i]].place, place.size()};
  }
  if (laid_out_.size_bytes() == 0) return;
  small_weights_ = small_weights();
  std::uint64_t small_bytes = 0;
  for (const auto* weight : small_weights_) small_bytes += in_lines(weight->size());
  small_.emplace(static_cast<std::int64_t>(small_bytes));  // untouched pages take no memory
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
                     .file = tensor.pattern.empty() ? reader().file_descriptor(tensor.shard) : -1,
                     .offset = tensor.offset,
                     .on_use = true,
                     .looked_up = false});
    }
    LaidOut::Tensor& one = all[place->second];
    one.on_use = one.on_use && family.fetch == Fetch::on_use;
    one.looked_up = one.looked_up || family.looked_up;
  }
  return all;
}

/// Those that steps read in the mapped package, norms for the most part.
std::vector<std::span<const std::byte>*> CpuProgram::small_weights() {
  std::vector<std::span<const std::byte>*> all;
  for (std::size_t family = 0; family < tensors.size(); ++family)
    for (std::size_t member = 0; member < tensors[family].size(); ++member) {
      std::span<const std::byte>& weight = tensors[family][member];
      const bool mapped = !weight.empty() && reader().tensor(rows[family][member]).pattern.empty();
      if (mapped && weight.size() <= kSmall && !laid_out_.holds(weight.data())) all.push_back(&weight);
    }
  return all;
}

/// In the second step weights that are laid out anew come to stay, and their mapped pages go. A small one in between
/// would keep a large page for its few bytes.
bool CpuProgram::move_small_weights() {
  if (counts.steps == 0 || !small_ || std::exchange(moved_, true)) return false;
  std::byte* place = small_->data();
  for (const auto* weight : small_weights_) {
    std::copy(weight->begin(), weight->end(), place);
    place += in_lines(weight->size());
  }
  place = small_->data();
  for (auto* weight : small_weights_) {
    LaidOut::give_back(*weight);
    *weight = {place, weight->size()};
    place += in_lines(weight->size());
  }
  laid_out_.give_back();
  return true;
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
