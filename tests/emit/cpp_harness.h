// SPDX-License-Identifier: Apache-2.0
// Runs kernels as the C++ that they are rendered to: many kernels in one shared object, compiled once.
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
};
std::string describe(const CppBuild& build);
/// For 1, 4, 8 and 16 lanes with g++, and for 8 and 16 with clang++: what this machine has a compiler and an
/// instruction set for. What is left out is said on the test's output.
std::vector<CppBuild> cpp_builds();

/// What the compiler says about a source that it only looks at.
std::string complaints(const CppBuild& build, const std::string& source);

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
  /// As kir::interpret.
  void run(const std::string& kernel, const std::vector<std::span<std::byte>>& buffers,
           const std::vector<std::int32_t>& params, int groups) const;

 private:
  CppBuild build_;
  std::string source_;
  ScratchFolder folder_;
  void* library_ = nullptr;
};

}  // namespace openinfer::emit
