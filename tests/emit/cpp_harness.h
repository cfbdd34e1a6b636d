// SPDX-License-Identifier: Apache-2.0
// Runs kernels as the C++ that they are rendered to: many kernels compiled once, into a shared object for this CPU or
// into a program that an emulator runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "codegen/emit/cpp.h"
#include "codegen/kernel_ir/ir.h"

namespace openinfer::emit {

/// How to compile for lanes.
struct CppBuild {
  std::string compiler;  // "g++"
  int lanes;
  std::vector<std::string> flags;  // -march=…
  std::string emulator = {};       // "qemu-aarch64-static -cpu cortex-a53": what runs programs for that CPU
};
std::string describe(const CppBuild& build);
/// One lane, and rows of the device database, by g++ and clang++, for Arm by g++'s cross compiler and clang++: what
/// this machine has a compiler and an instruction set or an emulator for. What is left out is said on the test's
/// output.
enum class Builds { quick, all };
std::vector<CppBuild> cpp_builds(Builds which);

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class CppKernels {
 public:
  explicit CppKernels(CppBuild build);
  ~CppKernels();
  CppKernels(const CppKernels&) = delete;
  CppKernels& operator=(const CppKernels&) = delete;

  /// Names of kernels must differ.
  void add(const kir::Kernel& kernel);
  /// Warnings are errors. Throws std::runtime_error with what the compiler says.
  void compile();
  std::string source() const;
  /// As kir::interpret. Throws std::runtime_error if an emulated program fails, or has written behind a buffer.
  void run(const std::string& kernel, const std::vector<std::span<std::byte>>& buffers,
           const std::vector<std::int32_t>& params, int groups) const;

 private:
  void run_in_emulator(std::size_t kernel, const std::vector<std::span<std::byte>>& buffers,
                       const std::vector<std::int32_t>& params, int groups) const;

  CppBuild build_;
  std::string source_;
  std::vector<std::string> names_;
  ScratchFolder folder_;
  void* library_ = nullptr;
};

}  // namespace openinfer::emit
