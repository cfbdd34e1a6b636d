#include "cpu_program.h"

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
    : Program(checked(description), package, options), pool(options.threads), arena_(description.arena_bytes) {
  counts.arena_bytes = arena_.size_bytes();
  counts.threads = pool.threads();
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
