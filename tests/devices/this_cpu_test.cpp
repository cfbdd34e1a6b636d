// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "codegen/devices/this_cpu.h"
#include "openinfer/error.h"

using namespace openinfer;

namespace {

using Names = std::vector<std::string>;

constexpr std::uint32_t kV2 = 1u << 0 | 1u << 9 | 1u << 19 | 1u << 20 | 1u << 23;
constexpr std::uint32_t kV3Leaf1 = kV2 | 1u << 22 | 1u << 28 | 1u << 29 | 1u << 12;
constexpr std::uint32_t kV3Leaf7 = 1u << 3 | 1u << 8 | 1u << 5;
constexpr std::uint32_t kV4Leaf7 = kV3Leaf7 | 1u << 16 | 1u << 30 | 1u << 28 | 1u << 17 | 1u << 31;

/// A CPU with AVX-512 and VNNI under an operating system that saves `xcr0`.
X86Registers with_avx512(std::uint64_t xcr0) {
  X86Registers registers;
  registers.leaf1_ecx = kV3Leaf1;
  registers.leaf7_ebx = kV4Leaf7;
  registers.leaf7_ecx = 1u << 11;
  registers.extended1_ecx = 1u << 5;
  registers.xcr0 = xcr0;
  return registers;
}

bool has(const Names& isa, std::string_view name) { return std::find(isa.begin(), isa.end(), name) != isa.end(); }

Device described(std::string machine, Names isa, std::string vendor = "V") {
  return describe_cpu({std::move(machine), std::move(vendor), "T", std::move(isa)}).device;
}

/// The words behind "flags" (x86) or "Features" (Arm) in /proc/cpuinfo.
std::set<std::string> kernel_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("flags") || line.starts_with("Features")) {
      std::istringstream words(line.substr(line.find(':') + 1));
      return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
    }
  return {};
}

/// The kernel's word for one of our names.
std::string kernel_word(const std::string& name) {
  const std::map<std::string, std::string> others = {{"sse3", "pni"},
                                                     {"sse4.1", "sse4_1"},
                                                     {"sse4.2", "sse4_2"},
                                                     {"bmi", "bmi1"},
                                                     {"lzcnt", "abm"},
                                                     {"avxvnni", "avx_vnni"},
                                                     {"fp16", "asimdhp"},
                                                     {"avx512vnni", "avx512_vnni"},
                                                     {"avx512bf16", "avx512_bf16"},
                                                     {"dotprod", "asimddp"},
                                                     {"avx512fp16", "avx512_fp16"},
                                                     {"amx-tile", "amx_tile"},
                                                     {"amx-int8", "amx_int8"},
                                                     {"amx-bf16", "amx_bf16"}};
  const auto found = others.find(name);
  return found == others.end() ? name : found->second;
}

}  // namespace

TEST_CASE("what the operating system does not save is not there") {
  const Names saved = x86_isa(with_avx512(0xe7));
  CHECK(has(saved, "avx512vnni"));
  CHECK(has(saved, "avx2"));
  const Names no_zmm = x86_isa(with_avx512(0x7));
  CHECK(has(no_zmm, "avx2"));
  CHECK_FALSE(has(no_zmm, "avx512f"));
  CHECK_FALSE(has(no_zmm, "avx512vnni"));
  const Names no_ymm = x86_isa(with_avx512(0));
  CHECK(has(no_ymm, "sse4.2"));
  CHECK_FALSE(has(no_ymm, "f16c"));
  CHECK_FALSE(has(no_ymm, "avx"));
  X86Registers amx = with_avx512(0xe7);
  amx.leaf7_edx = 1u << 24 | 1u << 25;
  CHECK_FALSE(has(x86_isa(amx), "amx-int8"));
  amx.xcr0 |= 0x60000;
  CHECK(has(x86_isa(amx), "amx-int8"));
}

TEST_CASE("an isa decides lanes, dot4 and flags") {
  const Names v4 = x86_isa(with_avx512(0xe7)), v3 = x86_isa(with_avx512(0x7)), v2 = x86_isa(with_avx512(0));
  const Device wide = described("x86_64", v4);
  CHECK(wide.lanes == 16);
  CHECK(wide.dot4 == Dot4::us);
  CHECK(wide.compiler_flags == Names{"-march=x86-64-v4", "-mavx512vnni"});
  const Device avx2 = described("x86_64", v3);
  CHECK(avx2.lanes == 8);
  CHECK(avx2.dot4 == Dot4::us_sat16);
  CHECK(avx2.compiler_flags == Names{"-march=x86-64-v3"});
  const Device sse = described("x86_64", v2);
  CHECK(sse.lanes == 4);
  CHECK(sse.dot4 == Dot4::none);
  CHECK_FALSE(sse.dot4_accelerated);
  CHECK(sse.compiler_flags.at(0) == "-march=x86-64-v2");
  Names alder_lake = v3;
  alder_lake.emplace_back("avxvnni");
  CHECK(described("x86_64", alder_lake).dot4 == Dot4::us);
  Names zen5 = v4;
  zen5.emplace_back("avx512bf16");
  CHECK_FALSE(wide.bf16_dot);
  CHECK_FALSE(described("x86_64", zen5).bf16_dot);  // of a vendor that nobody measured
  CHECK(described("x86_64", zen5, "AMD").bf16_dot);
  CHECK_FALSE(described("x86_64", v4, "AMD").bf16_dot);
  CHECK(described("x86_64", {"sse3"}).compiler_flags == Names{"-march=x86-64", "-msse3"});
  CHECK_FALSE(wide.read_gb_per_s);
}

TEST_CASE("64-bit Arm is described from the kernel's capability words") {
  const Names n1 = arm_isa(1u << 1 | 1u << 10 | 1u << 20, 0);
  CHECK(n1 == Names{"asimd", "fp16", "dotprod"});
  const Device device = described("aarch64", n1);
  CHECK(device.dot4 == Dot4::ss);
  CHECK(device.compiler_flags == Names{"-march=armv8.2-a+fp16+dotprod"});
  const Device v2 = described("aarch64", arm_isa(1u << 1 | 1u << 10 | 1u << 20, 1u << 13 | 1u << 14));
  CHECK(v2.compiler_flags == Names{"-march=armv8.2-a+fp16+dotprod+i8mm+bf16"});
  const Device plain = described("aarch64", arm_isa(1u << 1, 0));
  CHECK(plain.dot4 == Dot4::none);
  CHECK(plain.compiler_flags == Names{"-march=armv8-a"});
  CHECK_THROWS_WITH(described("riscv64", {}), Catch::Contains("machine 'riscv64' is neither x86_64 nor aarch64"));
}

TEST_CASE("this machine agrees with its kernel, both ways") {
  const auto kernel = kernel_flags();
  REQUIRE_FALSE(kernel.empty());
  const CpuFacts here = detect_cpu();
  // Every name that detection can find, so that a bit that is missed is seen too.
  X86Registers all{~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0ull};
  const Names names = here.machine == "x86_64" ? x86_isa(all) : arm_isa(~0ull, ~0ull);
  CHECK(names.size() >= 5);
  for (const auto& name : names) {
    INFO(name);
    CHECK(has(here.isa, name) == kernel.contains(kernel_word(name)));
  }
}

TEST_CASE("this-cpu is a device like any other") {
  const Device device = resolve(DeviceSpec::named("this_CPU"));
  CHECK(device.name == "this-cpu");
  CHECK(device.isa == detect_cpu().isa);
  CHECK(missing_features(device, device).empty());
}

TEST_CASE("what a device needs and this one lacks is named") {
  const Device v3 = resolve(DeviceSpec::named("x86-64-v3")), v4 = resolve(DeviceSpec::named("x86-64-v4"));
  CHECK(missing_features(v3, v4).empty());
  CHECK(missing_features(v4, v3) == Names{"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  CHECK(missing_features(resolve(DeviceSpec::named("apple-m1")), v4) == Names{"asimd", "fp16", "dotprod"});
  CHECK(missing_features(resolve(DeviceSpec::named("hopper")), v4) == Names{"a gpu"});
}
