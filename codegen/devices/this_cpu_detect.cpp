// SPDX-License-Identifier: Apache-2.0
// What only the machine itself can say: CPUID and XCR0 or the kernel's hardware capabilities.
#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include "codegen/devices/this_cpu.h"
#include "lib/base/fail.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace openinfer {
namespace {

#if defined(__linux__) && defined(__x86_64__)
std::array<std::uint32_t, 4> cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  std::array<std::uint32_t, 4> r{};  // eax ebx ecx edx; all 0 where the leaf does not exist
  if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) r = {};
  return r;
}

// Linux, arch/x86/include/uapi/asm/prctl.h.
constexpr int kArchGetXcompSupp = 0x1021, kArchReqXcompPerm = 0x1023, kXfeatureXtiledata = 18;

/// Less the tiles of AMX where Linux does not let programs ask for them, as in a sandbox that refuses arch_prctl.
std::uint64_t xcr0() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr std::uint64_t kTiles = std::uint64_t{1} << kXfeatureXtiledata;
  std::uint64_t supported = 0;
  if (::syscall(SYS_arch_prctl, kArchGetXcompSupp, &supported) != 0) supported = 0;
  const std::uint64_t saved = std::uint64_t{high} << 32 | low;
  return supported & kTiles ? saved : saved & ~kTiles;
}

std::string characters(const std::array<std::uint32_t, 3>& words) {
  std::string text(sizeof words, '\0');
  std::memcpy(text.data(), words.data(), sizeof words);
  return text;
}

std::string brand() {
  std::string text;
  for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    const auto r = cpuid(leaf, 0);
    char part[sizeof r];
    std::memcpy(part, r.data(), sizeof r);
    text.append(part, sizeof r);
  }
  text.resize(std::strlen(text.c_str()));
  const std::size_t from = text.find_first_not_of(' ');
  return from == text.npos ? "unknown x86-64" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

CpuFacts detect() {
  constexpr std::uint32_t kOsxsave = 1u << 27;
  const auto one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1), extended = cpuid(0x80000001, 0);
  const X86Registers registers{.leaf1_ecx = one[2],
                               .leaf7_ebx = seven[1],
                               .leaf7_ecx = seven[2],
                               .leaf7_edx = seven[3],
                               .leaf7_1_eax = seven[0] >= 1 ? seven_one[0] : 0,
                               .extended1_ecx = extended[2],
                               .xcr0 = one[2] & kOsxsave ? xcr0() : 0};
  const auto zero = cpuid(0, 0);
  const std::string id = characters({zero[1], zero[3], zero[2]});
  const std::string vendor = id == "GenuineIntel" ? "Intel" : id == "AuthenticAMD" ? "AMD" : id;
  return {"x86_64", vendor, brand(), x86_isa(registers)};
}
#elif defined(__linux__) && defined(__aarch64__)
CpuFacts detect() { return {"aarch64", "Arm", "64-bit Arm", arm_isa(getauxval(AT_HWCAP), getauxval(AT_HWCAP2))}; }
#endif

}  // namespace

void ask_for_tiles() {
#if defined(__linux__) && defined(__x86_64__)
  if (::syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0) return;
  fail(ErrorCode::unsupported,
       "[device] the system does not give this program the tiles of AMX (arch_prctl: {}); numerics strict need none",
       std::strerror(errno));
#else
  fail(ErrorCode::unsupported, "[device] tiles of AMX are asked for on Linux on x86-64");
#endif
}

CpuFacts detect_cpu() {
#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
  return detect();
#else
  fail(ErrorCode::unsupported,
       "[device] this-cpu is detected on Linux (x86-64 and 64-bit Arm) only; name a row of `openinfer devices`, "
       "such as apple-m1");
#endif
}

}  // namespace openinfer
