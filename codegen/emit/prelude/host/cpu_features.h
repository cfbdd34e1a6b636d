// What instruction sets this machine has, by the names that devices give them.
#pragma once

#include <cstdint>
#include <string_view>

#include "memory.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace MODEL_NAME {

#if defined(__x86_64__)

/// Bit of register 0 eax, 1 ebx, 2 ecx, 3 edx; no where the leaf does not exist.
inline bool cpuid_bit(std::uint32_t leaf, std::uint32_t subleaf, int which, int bit) {
  std::uint32_t r[4] = {};
  if (subleaf > 0 && (!__get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]) || r[0] < subleaf)) return false;
  if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return false;
  return (r[which] >> bit & 1) != 0;
}

/// Whether the system keeps the tiles of AMX when it switches between programs: XCR0, bits 17 and 18. XGETBV exists
/// where OSXSAVE, bit 27, is set. Intel SDM, volume 1, 13.3.
inline bool keeps_tiles() {
  constexpr std::uint32_t kTiles = 3u << 17;
  if (!cpuid_bit(1, 0, 2, 27)) return false;
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTiles) == kTiles;
}

/// Linux gives the tiles of AMX to programs that have asked for them: arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA),
/// Documentation/arch/x86/xstate.rst. Holds for all threads.
inline bool ask_for_tiles() {
#if defined(__linux__)
  constexpr int kAsk = 0x1023, kTileData = 18;
  if (::syscall(SYS_arch_prctl, kAsk, kTileData) == 0) return true;
  fail(Reason::unsupported, "the system does not give this program the tiles of AMX (arch_prctl: ",
       std::strerror(errno), "), with which it multiplies: emit again for --device x86-64-v4");
#else
  return false;
#endif
}

inline bool machine_has(std::string_view feature) {
  // What g++ 12 and clang++ 14 both know; they ask as well whether the system keeps the wide registers.
#define CHECK(name) \
  if (feature == name) return __builtin_cpu_supports(name) != 0
  CHECK("sse3");
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
  // Intel SDM, volume 2A, CPUID: leaf 1 and leaf 7. LZCNT: AMD APM, volume 3, appendix E, function 8000_0001h.
  if (feature == "movbe") return cpuid_bit(1, 0, 2, 22);
  if (feature == "lzcnt") return cpuid_bit(0x80000001, 0, 2, 5);
  if (feature == "f16c") return cpuid_bit(1, 0, 2, 29) && __builtin_cpu_supports("avx");
  if (feature == "avxvnni") return cpuid_bit(7, 1, 0, 4) && __builtin_cpu_supports("avx2");
  if (feature == "avx512fp16") return cpuid_bit(7, 0, 3, 23) && __builtin_cpu_supports("avx512f");
  if (feature == "amx-tile") return cpuid_bit(7, 0, 3, 24) && keeps_tiles();
  if (feature == "amx-int8") return cpuid_bit(7, 0, 3, 25) && keeps_tiles();
  if (feature == "amx-bf16") return cpuid_bit(7, 0, 3, 22) && keeps_tiles();
  if (feature == "amx-permission") return ask_for_tiles();
  fail("this program cannot tell whether a machine has ", feature, ": cpu_features.h lacks it");
}

#elif defined(__aarch64__) && defined(__linux__)

inline bool machine_has(std::string_view feature) {
  // Linux, arch/arm64/include/uapi/asm/hwcap.h.
  const std::uint64_t first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  if (feature == "asimd") return (first >> 1 & 1) != 0;
  if (feature == "fp16") return (first >> 10 & 1) != 0;
  if (feature == "dotprod") return (first >> 20 & 1) != 0;
  if (feature == "i8mm") return (second >> 13 & 1) != 0;
  if (feature == "bf16") return (second >> 14 & 1) != 0;
  fail("this program cannot tell whether a machine has ", feature, ": cpu_features.h lacks it");
}

#else

/// There is no way to ask that is tested: the compiler accepted the flags.
inline bool machine_has(std::string_view) { return true; }

#endif

}  // namespace MODEL_NAME
