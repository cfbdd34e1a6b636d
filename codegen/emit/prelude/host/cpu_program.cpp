#include "cpu_program.h"

#include <sys/mman.h>

#include <algorithm>
#include <exception>
#include <mutex>

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
      relaid_(relaid_bytes()) {
  in_place = true;
  counts.arena_bytes = arena_.size_bytes();
  counts.threads = pool.threads();
  counts.repacked_bytes = relaid_.size_bytes();
  lay_out_all();
}

/// One tensor by two names is laid out once: the number of the first of them.
std::size_t CpuProgram::first_of(std::size_t number) const {
  std::size_t first = 0;
  const auto panels = [&](std::size_t i) { return description().families[relaid[i].family].panels; };
  while (relaid[first].tensor != relaid[number].tensor || panels(first) != panels(number)) ++first;
  return first;
}

std::int64_t CpuProgram::relaid_bytes() const {
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < relaid.size(); ++i)
    if (first_of(i) == i) bytes += relaid[i].panels * relaid[i].panel_bytes;
  return bytes;
}

void CpuProgram::lay_out_all() {
  // A step streams through all of it: fewer, larger pages where the machine has them.
  if (relaid_.data()) ::madvise(relaid_.data(), static_cast<std::size_t>(relaid_.size_bytes()), MADV_HUGEPAGE);
  std::byte* at = relaid_.data();
  for (std::size_t i = 0; i < relaid.size(); ++i) {
    const Relaid& now = relaid[i];
    std::span<const std::byte>& place = tensors[now.family][now.member];
    if (const std::size_t first = first_of(i); first != i) {
      place = tensors[relaid[first].family][relaid[first].member];
      continue;
    }
    lay_out_one(now, at);
    place = {at, place.size()};
    at += now.panels * now.panel_bytes;
  }
}

void CpuProgram::lay_out_one(const Relaid& what, std::byte* to) {
  constexpr std::int64_t kAtOnce = 8;  // panels
  std::mutex guard;
  std::exception_ptr error;
  pool.run((what.panels + kAtOnce - 1) / kAtOnce, [&](int part) {
    const std::int64_t first = part * kAtOnce, last = std::min(first + kAtOnce, what.panels);
    try {
      lay_out(what, first, last, to + first * what.panel_bytes);
    } catch (...) {  // threads of the pool throw nothing
      const std::lock_guard lock(guard);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
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
