#include "cpu_program.h"

namespace MODEL_NAME {
namespace {

bool machine_has([[maybe_unused]] std::string_view feature) {
#if defined(__x86_64__)
#define HAS(name) \
  if (feature == name) return __builtin_cpu_supports(name) != 0;
  HAS("ssse3")
  HAS("sse4.1")
  HAS("sse4.2")
  HAS("popcnt") HAS("avx") HAS("avx2") HAS("fma") HAS("bmi") HAS("bmi2") HAS("avx512f") HAS("avx512bw") HAS("avx512cd")
      HAS("avx512dq") HAS("avx512vl") HAS("avx512vnni")
#undef HAS
#endif
          return true;  // part of one of those above, or of every machine that this compiles for
}

/// Before anything else is looked at: a machine that lacks what the kernels need shall hear that.
const Description& checked(const Description& description) {
  for (const std::string_view feature : description.features)
    if (!machine_has(feature))
      fail("this program is for ", description.device, ", and this machine has no ", feature,
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
