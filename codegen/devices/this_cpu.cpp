// SPDX-License-Identifier: Apache-2.0
#include "codegen/devices/this_cpu.h"

#include <algorithm>
#include <string_view>

#include "lib/base/fail.h"

namespace openinfer {
namespace {

using Names = std::vector<std::string_view>;

bool all_of(const CpuFacts& facts, const Names& names) {
  return std::all_of(names.begin(), names.end(), [&](std::string_view name) {
    return std::find(facts.isa.begin(), facts.isa.end(), name) != facts.isa.end();
  });
}

/// One way to compile: the base row whose lanes it has, and the flag that gives `isa`.
struct Level {
  std::string_view base, flag;
  Names isa;
};

/// The micro-architecture levels of the x86-64 psABI, and the extensions that Armv8.2 made optional, widest first.
std::vector<Level> levels_of(std::string_view machine) {
  const Names v2{"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"};
  const Names v3{"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx",  "avx2",
                 "bmi",  "bmi2",  "f16c",   "fma",    "lzcnt",  "movbe"};
  Names v4 = v3;
  v4.insert(v4.end(), {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  if (machine == "x86_64")
    return {{"x86-avx512", "-march=x86-64-v4", v4},
            {"x86-avx2", "-march=x86-64-v3", v3},
            {"x86-sse", "-march=x86-64-v2", v2},
            {"x86-sse", "-march=x86-64", {}}};
  if (machine == "aarch64")
    return {{"arm-neon", "-march=armv8.2-a+fp16+dotprod", {"fp16", "dotprod"}}, {"arm-neon", "-march=armv8-a", {}}};
  fail(ErrorCode::unsupported,
       "[device] this-cpu: machine '{}' is neither x86_64 nor aarch64; name a row of "
       "`openinfer devices` instead",
       machine);
}

/// The level's flag and what it does not switch on.
std::vector<std::string> flags_of(const CpuFacts& facts, const Level& level) {
  std::vector<std::string> flags{std::string(level.flag)};
  for (const auto& feature : facts.isa) {
    if (std::find(level.isa.begin(), level.isa.end(), feature) != level.isa.end()) continue;
    if (facts.machine == "x86_64") flags.push_back("-m" + feature);
    if (facts.machine == "aarch64" && feature != "asimd") flags[0] += "+" + feature;
  }
  return flags;
}

Dot4 dot4_of(const CpuFacts& facts, std::string_view base) {
  if (base == "arm-neon") return all_of(facts, {"dotprod"}) ? Dot4::ss : Dot4::none;
  if (base == "x86-avx512") return all_of(facts, {"avx512vnni"}) ? Dot4::us : Dot4::us_sat16;
  if (base == "x86-avx2") return all_of(facts, {"avxvnni"}) ? Dot4::us : Dot4::us_sat16;
  return Dot4::none;
}

/// Intel's Sapphire Rapids has the instruction at half the rate of f32; of others nobody measured it.
bool has_bf16_dot(const CpuFacts& facts) { return facts.vendor == "AMD" && all_of(facts, {"avx512bf16"}); }

struct Bit {
  std::uint32_t X86Registers::*word;
  int bit;
  std::string_view name;
  std::uint64_t state;  // bits of XCR0 that must be set
};

constexpr std::uint64_t kSse = 0, kAvx = 0x6, kAvx512 = 0xe6, kAmx = 0x60000;

using R = X86Registers;
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID; state bits: volume 1, chapter 13.
// clang-format off
constexpr Bit kBits[] = {
    {&R::leaf1_ecx, 0, "sse3", kSse},          {&R::leaf1_ecx, 9, "ssse3", kSse},
    {&R::leaf1_ecx, 19, "sse4.1", kSse},       {&R::leaf1_ecx, 20, "sse4.2", kSse},
    {&R::leaf1_ecx, 23, "popcnt", kSse},       {&R::leaf1_ecx, 22, "movbe", kSse},
    {&R::extended1_ecx, 5, "lzcnt", kSse},     {&R::leaf7_ebx, 3, "bmi", kSse},
    {&R::leaf7_ebx, 8, "bmi2", kSse},          {&R::leaf1_ecx, 28, "avx", kAvx},
    {&R::leaf1_ecx, 29, "f16c", kAvx},         {&R::leaf1_ecx, 12, "fma", kAvx},
    {&R::leaf7_ebx, 5, "avx2", kAvx},          {&R::leaf7_1_eax, 4, "avxvnni", kAvx},
    {&R::leaf7_ebx, 16, "avx512f", kAvx512},   {&R::leaf7_ebx, 30, "avx512bw", kAvx512},
    {&R::leaf7_ebx, 28, "avx512cd", kAvx512},  {&R::leaf7_ebx, 17, "avx512dq", kAvx512},
    {&R::leaf7_ebx, 31, "avx512vl", kAvx512},  {&R::leaf7_ecx, 1, "avx512vbmi", kAvx512},
    {&R::leaf7_ecx, 11, "avx512vnni", kAvx512}, {&R::leaf7_1_eax, 5, "avx512bf16", kAvx512},
    {&R::leaf7_edx, 23, "avx512fp16", kAvx512}, {&R::leaf7_edx, 24, "amx-tile", kAmx},
    {&R::leaf7_edx, 25, "amx-int8", kAmx},     {&R::leaf7_edx, 22, "amx-bf16", kAmx},
};
// clang-format on

/// Linux, arch/arm64/include/uapi/asm/hwcap.h.
constexpr std::uint64_t kHwcapAsimd = 1u << 1, kHwcapAsimdHp = 1u << 10, kHwcapAsimdDp = 1u << 20;
constexpr std::uint64_t kHwcap2I8mm = 1u << 13, kHwcap2Bf16 = 1u << 14;

}  // namespace

std::vector<std::string> x86_isa(const X86Registers& registers) {
  std::vector<std::string> isa;
  for (const Bit& bit : kBits)
    if ((registers.*bit.word >> bit.bit & 1) && (registers.xcr0 & bit.state) == bit.state) isa.emplace_back(bit.name);
  return isa;
}

std::vector<std::string> arm_isa(std::uint64_t hwcap, std::uint64_t hwcap2) {
  std::vector<std::string> isa;
  if (hwcap & kHwcapAsimd) isa.emplace_back("asimd");
  if (hwcap & kHwcapAsimdHp) isa.emplace_back("fp16");
  if (hwcap & kHwcapAsimdDp) isa.emplace_back("dotprod");
  if (hwcap2 & kHwcap2I8mm) isa.emplace_back("i8mm");
  if (hwcap2 & kHwcap2Bf16) isa.emplace_back("bf16");
  return isa;
}

SourcedDevice describe_cpu(const CpuFacts& facts) {
  const auto levels = levels_of(facts.machine);
  const Level& level =
      *std::find_if(levels.begin(), levels.end(), [&](const Level& l) { return all_of(facts, l.isa); });
  SourcedDevice described = build_row(level.base, std::nullopt, "");
  Device& device = described.device;
  device.name = "this-cpu";
  device.title = facts.title;
  device.vendor = facts.vendor;
  device.architecture = facts.machine;
  device.isa = facts.isa;
  device.compiler_flags = flags_of(facts, level);
  device.dot4 = dot4_of(facts, level.base);
  device.dot4_accelerated = device.dot4 != Dot4::none;
  device.bf16_dot = has_bf16_dot(facts);
  if (all_of(facts, {"amx-int8"})) device.mma.push_back({16, 16, 64, DType::i8, DType::i32});
  if (all_of(facts, {"amx-bf16"})) device.mma.push_back({16, 16, 32, DType::bf16, DType::f32});
  for (const auto field : {"isa", "compiler_flags", "dot4", "dot4_accelerated", "bf16_dot", "mma"})
    described.sources[field] = facts.machine == "x86_64" ? "detected: cpuid" : "detected: AT_HWCAP";
  for (const auto field : {"read_gb_per_s", "f32_gflop_per_s", "bf16_gflop_per_s", "int8_gop_per_s"})
    described.sources[field] = "unknown until this machine is tuned";
  return described;
}

SourcedDevice this_cpu() { return describe_cpu(detect_cpu()); }

}  // namespace openinfer
