#include "cpu_program.h"

#if defined(__linux__)
#include <sys/auxv.h>
#endif

namespace MODEL_NAME {
namespace {

/// Of what a device has, what its kernels use and not every machine has that they are compiled for.
bool machine_has([[maybe_unused]] std::string_view feature) {
#if defined(__x86_64__)
#define CHECK(name) \
  if (feature == name) return __builtin_cpu_supports(name) != 0
  CHECK("ssse3");
  CHECK("sse4.1");
  CHECK("sse4.2");
  CHECK("popcnt");
  CHECK("avx");
  CHECK("avx2");
  CHECK("fma");
  CHECK("bmi");
  CHECK("bmi2");
  CHECK("avx512f");
  CHECK("avx512bw");
  CHECK("avx512cd");
  CHECK("avx512dq");
  CHECK("avx512vl");
  CHECK("avx512vbmi");
  CHECK("avx512vnni");
  CHECK("avx512bf16");
#undef CHECK
#elif defined(__aarch64__) && defined(__linux__)
  // Linux, arch/arm64/include/uapi/asm/hwcap.h.
  const std::uint64_t first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  if (feature == "fp16") return (first >> 10 & 1) != 0;
  if (feature == "dotprod") return (first >> 20 & 1) != 0;
  if (feature == "i8mm") return (second >> 13 & 1) != 0;
  if (feature == "bf16") return (second >> 14 & 1) != 0;
#endif
  return true;
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
