// SPDX-License-Identifier: Apache-2.0
// The row "this-cpu": what the machine that runs this can do. Detection reads registers and files
// (this_cpu_detect.cpp); what follows from them is plain functions, so that any CPU can be described on any other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/devices/devices.h"

namespace openinfer {

/// The CPUID leaves that matter, and XCR0: what the operating system saves on a context switch, 0 without OSXSAVE.
struct X86Registers {
  std::uint32_t leaf1_ecx = 0;
  std::uint32_t leaf7_ebx = 0, leaf7_ecx = 0, leaf7_edx = 0;
  std::uint32_t leaf7_1_eax = 0;
  std::uint32_t extended1_ecx = 0;  // leaf 0x80000001
  std::uint64_t xcr0 = 0;
};

/// By the names of GCC's -m flags, in the order of x86 history. What the operating system does not save is not there.
std::vector<std::string> x86_isa(const X86Registers& registers);

/// By Arm's extension names, from the kernel's AT_HWCAP and AT_HWCAP2.
std::vector<std::string> arm_isa(std::uint64_t hwcap, std::uint64_t hwcap2);

struct CpuFacts {
  std::string machine;  // "x86_64" or "aarch64"
  std::string vendor, title;
  std::vector<std::string> isa;
};

/// Asks the system for the tile registers of AMX, which Linux gives to programs that have asked: once for all threads,
/// before they are touched. Errors: unsupported, with the system's reason.
void ask_for_tiles();

/// This machine. Errors: unsupported, if it is neither Linux on x86-64 nor on 64-bit Arm: name a row instead.
CpuFacts detect_cpu();

/// The device that those facts make, on top of the widest [base …] of cpu_x86.def or cpu_arm.def that the isa covers.
/// Peaks are unknown: they are measured, not detected.
SourcedDevice describe_cpu(const CpuFacts& facts);

/// describe_cpu(detect_cpu()).
SourcedDevice this_cpu();

}  // namespace openinfer
